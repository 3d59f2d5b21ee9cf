/**
 * A site in offline mode in the hands of an attacker: its database, its online keys (snapshot,
 * timestamp, policy) and the line to the device are his; the release key is elsewhere. Nothing that was
 * not released runs on the device (SEC-12, SEC-30 to SEC-37).
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { test } from 'node:test'
import { checkInputs, flatten, fromOutside, type RunState, readSequence } from '@sluice/engine'
import {
  type CatalogueReference,
  DeploymentSettings,
  ok,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  type PolicyBody,
  ProblemError,
  RunId,
  Sha256,
  writeSignedJson,
} from '@sluice/protocol'
import { evaluateDeployment } from '../../agent/src/policy/evaluation.ts'
import { mayDebug, nextOrder, obeyOrder } from '../../agent/src/run/debugger.ts'
import {
  binMetadata,
  binOf,
  rootMetadata,
  sha256,
  snapshotMetadata,
  type Target,
  targetsMetadata,
  timestampMetadata,
} from '../../site/src/catalogue/metadata.ts'
import { makeKeyring } from '../../site/src/deployments/testing/site-world.ts'
import { signEnvelope } from '../../site/src/policy/envelope.ts'
import { openWorkstation } from './testing/offline-keys.ts'
import { type Bytes, code, DAY, HOUR, honest, inWorld, sequenceOf, type World } from './testing/trust-world.ts'

/** What the attacker gives to the device in the place of the site's files, by name. */
type Forged = Map<string, Bytes>

/** The site is in offline mode, revision 2 took the place of 1, and the device has seen it. */
const stolen = (name: string, body: (world: World, attacker: Attacker) => Promise<void>) =>
  test(name, (t) =>
    inWorld(t, async (world) => {
      const { site, device, advance } = world
      await device.sync()
      const workstation = await openWorkstation(site, dirname(device.folder))
      assert.equal(await workstation.move(), 'offline')
      const before = await publishedLists(world)
      advance(HOUR)
      const text = site.sequenceText('Upgrade', ['ABC00001', 'ABC00002']).replace('"yes"', '"again"')
      await site.sequences.apply({ fileName: 'up.json', text })
      await workstation.release()
      assert.equal(code(await device.sync()), 'accepted')
      assert.equal(device.trust.catalogue.mode(), 'offline')
      assert.deepEqual(await verdict(world), [])
      await body(world, createAttacker(world, before))
    }),
  )

/** Why the device would not run its deployment now; empty: it would. */
async function verdict({ device }: World): Promise<string[]> {
  const body = device.trust.policy.current()?.body
  const [deployment] = body?.deployments ?? []
  assert.ok(body && deployment)
  const { refusals } = await evaluateDeployment(deployment, body, device.trust.catalogue, AbortSignal.timeout(60_000))
  return refusals.map((one) => one.code)
}

async function publishedLists({ site }: World): Promise<Map<string, Bytes>> {
  const rows = await site.db.selectFrom('catalogue_metadata').selectAll().where('superseded_at', 'is', null).execute()
  return new Map(rows.map((row) => [row.role, row.bytes]))
}

type Attacker = ReturnType<typeof createAttacker>

/** @param older lists as the release key signed them before */
function createAttacker(world: World, older: Map<string, Bytes>) {
  const { site, device } = world
  const { keyring, clock } = site
  const now = () => clock.now()
  const stamp = () => ({ version: Math.floor(now() / 1000) + 1_000, expiresAt: now() + DAY })
  const file = (bytes: Bytes) => ({
    version: (JSON.parse(new TextDecoder().decode(bytes)) as { signed: { version: number } }).signed.version,
    sha256: sha256(bytes),
    lengthBytes: bytes.length,
  })

  return {
    older,
    /** Signs snapshot and timestamp over these lists, which is all that the online keys can do. */
    async publish(change: Map<string, Bytes>): Promise<void> {
      const lists = await publishedLists(world)
      for (const [role, bytes] of change) lists.set(role, bytes)
      const listed = [...lists].filter(([role]) => role === 'targets' || role.startsWith('bin-'))
      const at = stamp()
      const snapshot = snapshotMetadata(keyring.snapshot, at, new Map(listed.map(([role, one]) => [role, file(one)])))
      const forged: Forged = new Map(listed.map(([role, one]) => [`${file(one).version}.${role}.json`, one]))
      forged.set(`${at.version}.snapshot.json`, snapshot)
      forged.set('timestamp.json', timestampMetadata(keyring.timestamp, at, file(snapshot)))
      device.relay = (name, bytes) => ok(forged.get(name) ?? bytes)
      device.missing = (name) => forged.get(name)
    },
    /** Has the device accept a policy of his own. */
    async order(change: (body: PolicyBody) => void): Promise<void> {
      const current = device.trust.policy.current()
      assert.ok(current)
      const body = structuredClone(current.body)
      change(body)
      const bytes = writeSignedJson(body)
      const question = device.trust.policy.question()
      const head = {
        ...current.head,
        epoch: current.head.epoch + 1,
        seq: 1,
        bodyHash: sha256(bytes),
        nonce: question.nonce,
        now: new Date(now()).toISOString(),
        expiresAt: new Date(now() + DAY).toISOString(),
      }
      const answer = {
        head: signEnvelope(keyring.policy, POLICY_HEAD_TYPE, writeSignedJson(head)),
        body: signEnvelope(keyring.policy, POLICY_BODY_TYPE, bytes),
      }
      // The policy key is an online key: the attacker has it, and the device must believe the policy.
      assert.equal(code(device.trust.policy.accept(answer, question)), 'accepted')
    },
    /** Puts bytes into the site's database as if they had been released. */
    async plant(name: string, bytes: Bytes): Promise<CatalogueReference> {
      const hash = sha256(bytes)
      await site.db
        .insertInto('catalogue_blobs')
        .values({ sha256: hash, bytes })
        .onConflict((conflict) => conflict.doNothing())
        .execute()
      await site.db
        .insertInto('catalogue_targets')
        .values({ name, bin: binOf(name), sha256: hash, length_bytes: bytes.length, released_at: now() })
        .execute()
      return { target: name, sha256: hash, lengthBytes: bytes.length }
    },
    async targetsIn(bin: string): Promise<Target[]> {
      const rows = await site.db.selectFrom('catalogue_targets').selectAll().where('bin', '=', bin).execute()
      return rows.map(({ name, sha256: hash, length_bytes }) => ({ name, sha256: hash, lengthBytes: length_bytes }))
    },
  }
}

const evil = new TextEncoder().encode(
  JSON.stringify({
    format: 'sluice-sequence/1',
    name: 'Upgrade',
    inputs: [],
    steps: [{ type: 'runCommandLine', name: 'Wipe', commandLine: 'rm -rf /' }],
  }),
)

stolen('a sequence that nobody released: planted in the database, and named by policy', async (world, attacker) => {
  const { device, site } = world
  const id = sequenceOf(device).target.split('/')[1]
  const planted = await attacker.plant(`sequence/${id}/9`, evil)
  await attacker.order((body) => {
    for (const one of body.deployments) one.sequence = planted
  })
  assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
  // The site itself signs no list: it cannot.
  await site.catalogue.renew()
  await device.trust.catalogue.refresh()
  assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
})

stolen('lists that the attacker signs with keys of his own, or gets published', async (world, attacker) => {
  const { device, site } = world
  const id = sequenceOf(device).target.split('/')[1]
  const planted = await attacker.plant(`sequence/${id}/9`, evil)
  const bin = binOf(planted.target)
  const own = await makeKeyring()
  assert.ok(own.release && own.root)
  const at = { version: Math.floor(site.clock.now() / 1000) + 500, expiresAt: site.clock.now() + DAY }
  for (const key of [own.release, site.keyring.snapshot, site.keyring.timestamp, site.keyring.policy]) {
    const list = binMetadata(key, at, await attacker.targetsIn(bin))
    await attacker.publish(new Map([[bin, list]]))
    assert.equal(code(await device.trust.catalogue.refresh([planted.target])), 'CATALOGUE_REFUSED')
    await attacker.publish(
      new Map([
        ['targets', targetsMetadata(key, at)],
        [bin, list],
      ]),
    )
    assert.equal(code(await device.trust.catalogue.refresh([planted.target])), 'CATALOGUE_REFUSED')
    const text = new TextDecoder().decode(list)
    await assert.rejects(
      site.catalogue.publishSigned({ bins: { [bin]: text } }),
      (error) => error instanceof ProblemError && error.problem.code === 'RELEASE_REFUSED',
    )
  }
  // A root of his own would lift everything, the rule about variables included.
  const { root, release } = own
  const { snapshot, timestamp, policy } = site.keyring
  for (const alsoBy of [undefined, snapshot, policy]) {
    const next = rootMetadata({ root, release, snapshot, timestamp, policy }, 'online', { ...at, version: 3 }, alsoBy)
    device.missing = (name) => (name === '3.root.json' ? next : undefined)
    assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
  }
  assert.equal(device.trust.catalogue.mode(), 'offline')
})

stolen('a manifest that was changed, or is of another package', async (world, attacker) => {
  const other = new TextEncoder().encode('a manifest of his')
  const hash = Sha256.parse(createHash('sha256').update(other).digest('hex'))
  await attacker.order((body) => {
    for (const { packages } of body.deployments)
      for (const one of packages)
        Object.assign(one, {
          contentId: hash,
          manifest: { ...one.manifest, sha256: hash, lengthBytes: other.length },
        })
  })
  assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
  await world.device.sync()
  await attacker.order((body) => {
    const [first, second] = body.deployments[0]?.packages ?? []
    assert.ok(first && second)
    // Both are released; what is released as one must not run as the other (mix and match).
    Object.assign(first, { contentId: second.contentId, manifest: second.manifest })
  })
  assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
})

stolen('an older revision, which was released once', async (world, attacker) => {
  const { device } = world
  const name = sequenceOf(device).target.replace(/2$/, '1')
  const row = await world.site.db
    .selectFrom('catalogue_blobs')
    .selectAll()
    .execute()
    .then((rows) => rows.find(({ bytes }) => new TextDecoder().decode(bytes).includes('"yes"')))
  assert.ok(row)
  const old = { target: name, sha256: row.sha256, lengthBytes: row.bytes.length }
  await attacker.order((body) => {
    for (const one of body.deployments) one.sequence = old
  })
  assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
  // He has the list that named it, as the release key signed it then: one by one, and all together.
  const lists = [...attacker.older].filter(([role]) => role === 'targets' || role.startsWith('bin-'))
  for (const change of [
    new Map([[binOf(name), attacker.older.get(binOf(name)) ?? new Uint8Array()]]),
    new Map(lists),
  ]) {
    await attacker.publish(change)
    assert.equal(code(await device.trust.catalogue.refresh([name])), 'CATALOGUE_REFUSED')
    assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
    await device.restart()
    assert.equal(code(await device.trust.catalogue.refresh([name])), 'CATALOGUE_REFUSED', 'after a restart too')
  }
})

stolen('variables: a policy can set what the signed sequence declares, and nothing else', async (world, attacker) => {
  const { device, site, deployed } = world
  await attacker.order((body) => {
    for (const one of body.deployments) one.settings.inputs = { Language: 'de', SMSTSPostAction: 'rm -rf /' }
    body.variables = [
      { name: 'SMSTSPostAction', value: 'rm -rf /', level: 'device' },
      { name: 'Language', value: '; rm -rf /', level: 'collection' },
    ]
  })
  const bytes = await device.trust.catalogue.fetchTarget(sequenceOf(device))
  assert.ok(bytes.ok)
  const sequence = readSequence(bytes.value)
  assert.ok(sequence.ok)
  const undeclared = device.trust.catalogue.mode() === 'online' ? 'allow' : 'refuse'
  const ordered = device.trust.policy.current()?.body
  const inputs = ordered?.deployments[0]?.settings.inputs ?? {}
  const sent = ordered?.variables ?? []
  // Of the device and its collections: what is not declared is left out, what is declared is checked.
  const mixed = fromOutside(sequence.value, {}, sent)
  assert.deepEqual([sent.length, mixed.inputs], [2, { Language: '; rm -rf /' }])
  assert.equal(code(checkInputs(sequence.value, mixed.inputs, undeclared)), 'VARIABLE_REFUSED')
  assert.equal(code(checkInputs(sequence.value, inputs, undeclared)), 'VARIABLE_REFUSED')
  assert.equal(code(checkInputs(sequence.value, { Language: '; rm -rf /' }, undeclared)), 'VARIABLE_REFUSED')
  assert.equal(code(checkInputs(sequence.value, { Language: 'de' }, undeclared)), 'accepted')
  await assert.rejects(
    site.deployments.change(
      deployed.deployment.id,
      DeploymentSettings.parse({ allowInternet: true, inputs: { Undeclared: 'x' } }),
    ),
    (error) => error instanceof ProblemError && error.problem.code === 'VARIABLE_REFUSED',
  )
})

stolen(
  'the debugger: no order of a stolen site is obeyed where the released sequence does not say so',
  async (world, attacker) => {
    const { device } = world
    const runId = RunId.parse('run_0000000000')
    await attacker.order((body) => {
      body.debugOrders = [
        { runId, n: 1, order: { kind: 'attach' } },
        { runId, n: 2, order: { kind: 'setVariable', name: 'SMSTSPostAction', value: 'rm -rf /' } },
        { runId, n: 3, order: { kind: 'setCurrent', instruction: 0 } },
      ]
      for (const one of body.deployments) Object.assign(one, { debug: true })
    })
    const bytes = await device.trust.catalogue.fetchTarget(sequenceOf(device))
    assert.ok(bytes.ok)
    const sequence = readSequence(bytes.value)
    assert.ok(sequence.ok)
    const allowed = mayDebug(sequence.value, device.trust.catalogue.mode())
    assert.equal(allowed, false)
    const { debugOrders = [] } = device.trust.policy.current()?.body ?? {}
    assert.equal(debugOrders.length, 3, 'the device believes the policy key, and is told')
    const before: RunState = {
      ...{ v: 1, flags: [], pointer: 0, openGroups: [], variables: {}, phase: { kind: 'ready' } },
      ...{ attempts: 0, transitions: 0, restarts: 0 },
    }
    let state = before
    for (let order = nextOrder(debugOrders, runId, state); order; order = nextOrder(debugOrders, runId, state))
      state = obeyOrder(flatten(sequence.value), state, order, { allowed, at: 0 }).state
    const { debug, ...left } = state
    assert.deepEqual(left, (({ debug: _, ...rest }) => rest)(before))
    assert.deepEqual([debug?.mode, debug?.order, debug?.refused?.code], ['detached', 3, 'DEBUG_NOT_ALLOWED'])
    // The word itself is inside what the release key signs: written into the document, it is another document.
    const forged = await attacker.plant(
      sequenceOf(device).target.replace(/2$/, '9'),
      new TextEncoder().encode(JSON.stringify({ ...sequence.value, debug: true })),
    )
    await attacker.order((body) => {
      for (const one of body.deployments) one.sequence = forged
    })
    assert.deepEqual(await verdict(world), ['NOT_RELEASED'])
  },
)

stolen('a freeze: the online keys keep old lists alive until those expire, and no longer', async (world, attacker) => {
  const { device, advance } = world
  await attacker.publish(new Map())
  assert.equal(code(await device.trust.catalogue.refresh()), 'accepted')
  advance(91 * DAY)
  await attacker.publish(new Map())
  assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
  assert.equal(device.trust.mayStart()?.code, 'POLICY_STALE')
})

stolen('endless data is cut at the bound of each file', async ({ device }) => {
  for (const victim of ['timestamp.json', 'snapshot.json', 'root.json']) {
    device.missing = (name) => (name.endsWith(victim) ? new Uint8Array(20_000_000) : undefined)
    device.relay = (name, bytes) => ok(name.endsWith(victim) ? new Uint8Array(20_000_000) : bytes)
    await device.restart()
    const refreshed = await device.trust.catalogue.refresh()
    // A snapshot is only asked for when the timestamp names a newer one; a new root is not there at all.
    const expected = { 'timestamp.json': 'CATALOGUE_REFUSED', 'root.json': 'BAD_ANSWER' }[victim]
    if (expected !== undefined) assert.equal(code(refreshed), expected, victim)
  }
  device.missing = () => undefined
  device.relay = honest
  assert.equal(code(await device.trust.catalogue.refresh()), 'accepted')
})

test('an enrolled device goes on while every key is rotated, in online and in offline mode', (t) =>
  inWorld(t, async (world) => {
    const { site, device, advance } = world
    const goesOn = async (what: string) => {
      advance(HOUR)
      assert.equal(code(await device.sync()), 'accepted', what)
      assert.deepEqual(await verdict(world), [], what)
      await device.restart()
      assert.equal(code(await device.sync()), 'accepted', `${what}, after a restart`)
    }
    await goesOn('at first')
    for (const role of ['timestamp', 'snapshot', 'policy', 'release', 'root'] as const) {
      await site.catalogue.rotate(role)
      await goesOn(`online, ${role}`)
    }
    const workstation = await openWorkstation(site, dirname(device.folder))
    assert.equal(await workstation.move(), 'offline')
    await goesOn('moved to offline mode')
    for (const role of ['timestamp', 'snapshot', 'policy', 'release', 'root', 'release'] as const) {
      await workstation.rotate(role)
      await goesOn(`offline, ${role}`)
    }
    await site.sequences.apply({
      fileName: 'up.json',
      text: site.sequenceText('Upgrade', ['ABC00001', 'ABC00002']).replace('"yes"', '"new"'),
    })
    await goesOn('while a revision waits')
    assert.match(sequenceOf(device).target, /\/1$/)
    await workstation.release()
    await goesOn('when it is released')
    assert.match(sequenceOf(device).target, /\/2$/)
  }))

test('a site that was restored in offline mode gets its lists back from the workstation', (t) =>
  inWorld(t, async (world) => {
    const { site, device, advance } = world
    const workstation = await openWorkstation(site, dirname(device.folder))
    await workstation.move()
    const tables = ['catalogue_metadata', 'catalogue_targets', 'catalogue_drafts'] as const
    const backup = await Promise.all(tables.map((table) => site.db.selectFrom(table).selectAll().execute()))
    advance(HOUR)
    await site.catalogue.release('manifest/ABC00009/1', new TextEncoder().encode('lost'))
    await workstation.release()
    assert.equal(code(await device.sync()), 'accepted')
    for (const [i, table] of tables.entries()) {
      await site.db.deleteFrom(table).execute()
      for (const row of backup[i] ?? [])
        await site.db
          .insertInto(table)
          .values(row as never)
          .execute()
    }
    advance(HOUR)
    await site.catalogue.republish()
    await site.policy.restored()
    assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED', 'its lists are older')
    advance(HOUR)
    await workstation.release(['manifest/ABC00009/1'])
    assert.equal(code(await device.sync()), 'accepted')
    assert.deepEqual(await device.trust.catalogue.target('manifest/ABC00009/1'), { ok: true, value: undefined })
  }))
