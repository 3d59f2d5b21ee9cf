/**
 * Both sides of trust together: a real site signs, a real device verifies, and between them sits
 * somebody who changes, swaps, withholds and replays. Only time is turned by hand.
 */
import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DeploymentSettings, ok, type PolicyAnswer, readSignedJson, Sha256 } from '@sluice/protocol'
import { openTrust } from '../../agent/src/trust/trust.ts'
import { openDatabase } from '../../site/src/db/database.ts'
import { createSiteWorld, makeKeyring } from '../../site/src/deployments/testing/site-world.ts'
import {
  type Bytes,
  code,
  DAY,
  flip,
  HOUR,
  honest,
  inWorldTest,
  offline,
  references,
  sequenceOf,
} from './testing/trust-world.ts'

inWorldTest('from the pinned root to the bytes of the sequence', async ({ site, device, deployed }) => {
  assert.equal(code(await device.sync()), 'accepted')
  const bytes = await device.trust.catalogue.fetchTarget(sequenceOf(device))
  assert.ok(bytes.ok)
  const json = readSignedJson(bytes.value)
  assert.ok(json.ok)
  assert.equal((json.value as { name: string }).name, 'Upgrade')
  for (const reference of references(device))
    assert.equal(code(await device.trust.catalogue.fetchTarget(reference)), 'accepted')
  assert.equal(device.trust.mayStart(), undefined)
  assert.equal(device.trust.catalogue.mode(), 'online')
  assert.deepEqual(site.seen, [deployed.deviceId])
})

inWorldTest('when nothing changed, a sync asks for two files and writes no metadata', async ({ device }) => {
  await device.sync()
  const before = await readdir(join(device.folder, 'metadata'))
  device.asked.length = 0
  assert.equal(code(await device.sync()), 'accepted')
  assert.deepEqual(device.asked, ['2.root.json', 'timestamp.json'])
  assert.deepEqual(await readdir(join(device.folder, 'metadata')), before)
  device.asked.length = 0
  for (const { target } of references(device)) assert.ok((await device.trust.catalogue.target(target)).ok)
  assert.deepEqual(device.asked, [])
})

inWorldTest(
  'one flipped byte of metadata is refused, wherever it is, and nothing is kept of it',
  async ({ device }) => {
    assert.equal(code(await device.poll()), 'accepted')
    const names = references(device).map(({ target }) => target)
    const files = new Map<string, number>()
    device.relay = (file, bytes) => {
      files.set(file, bytes.length)
      return ok(bytes)
    }
    const honestWorld = await device.trust.catalogue.refresh(names)
    assert.ok(honestWorld.ok)
    assert.ok(files.size >= 4, [...files.keys()].join())
    await rm(join(device.folder, 'metadata'), { recursive: true })

    for (const [victim, length] of files) {
      await device.restart()
      for (let i = 0; i < 12; i++) {
        const at = Math.floor(((i + 0.5) / 12) * length)
        device.relay = (file, bytes) => ok(file === victim ? flip(bytes, at) : bytes)
        const result = await device.trust.catalogue.refresh(names)
        assert.equal(code(result), 'CATALOGUE_REFUSED', `${victim}, byte ${at}`)
        assert.equal(device.trust.catalogue.freshness(), undefined)
      }
    }
    device.relay = honest
    assert.ok((await device.trust.catalogue.refresh(names)).ok)
  },
)

inWorldTest('one flipped byte of a sequence or a manifest is refused and not kept', async ({ device }) => {
  await device.sync()
  for (const reference of references(device).slice(0, 2)) {
    for (let at = 0; at < reference.lengthBytes; at += 7) {
      device.relay = (file, bytes) => ok(file === 'target' ? flip(bytes, at) : bytes)
      assert.equal(code(await device.trust.catalogue.fetchTarget(reference)), 'CATALOGUE_REFUSED')
    }
    device.relay = (_, bytes) => ok(bytes.subarray(0, -1))
    assert.equal(code(await device.trust.catalogue.fetchTarget(reference)), 'CATALOGUE_REFUSED')
    assert.deepEqual(await readdir(join(device.folder, 'targets')), [])
  }
  device.relay = honest
  const reference = sequenceOf(device)
  assert.ok((await device.trust.catalogue.fetchTarget(reference)).ok)
  // A bad disk is no better than a bad network.
  const kept = join(device.folder, 'targets', reference.sha256)
  await writeFile(kept, flip(await readFile(kept), 3))
  device.relay = offline
  assert.equal(code(await device.trust.catalogue.fetchTarget(reference)), 'UNREACHABLE')
  device.relay = honest
  assert.ok((await device.trust.catalogue.fetchTarget(reference)).ok)
})

inWorldTest('a sequence that policy names and the catalogue does not is never run', async ({ device }) => {
  await device.sync()
  const sequence = sequenceOf(device)
  const { catalogue } = device.trust
  const other = { ...sequence, target: sequence.target.replace(/1$/, '2') }
  assert.equal(code(await catalogue.fetchTarget(other)), 'NOT_RELEASED')
  const bytes = new TextEncoder().encode('{"format":"sluice-sequence/1"}')
  const forged = { ...sequence, sha256: Sha256.parse('0'.repeat(64)), lengthBytes: bytes.length }
  device.relay = (file, honestBytes) => ok(file === 'target' ? bytes : honestBytes)
  assert.equal(code(await catalogue.fetchTarget(forged)), 'NOT_RELEASED')
  assert.equal(code(await catalogue.fetchTarget({ ...sequence, lengthBytes: 1 })), 'NOT_RELEASED')
  for (const name of ['__proto__', 'constructor', 'toString'])
    assert.equal(code(await catalogue.fetchTarget({ ...sequence, target: name })), 'NOT_RELEASED')

  // A file that is valid for one name is nothing under another (SEC-36).
  const [, manifest] = references(device)
  assert.ok(manifest)
  device.relay = honest
  assert.equal(code(await catalogue.fetchTarget({ ...manifest, target: sequence.target })), 'NOT_RELEASED')
})

inWorldTest(
  'a policy that was replayed, or is another device’s, changes nothing',
  async ({ site, device, deployed }) => {
    const { policy } = device.trust
    const firstQuestion = policy.question()
    const old: PolicyAnswer = await site.poll(deployed.caller, 'internet', firstQuestion)
    assert.equal(code(policy.accept(old, firstQuestion)), 'accepted')
    const change = DeploymentSettings.parse({ allowInternet: true, downloadRetryCount: 7 })
    await site.deployments.change(deployed.deployment.id, change)
    assert.equal(code(await device.poll()), 'accepted')

    assert.equal(code(policy.accept(old, policy.question())), 'POLICY_REPLAYED')
    assert.equal(code(policy.accept(old, firstQuestion)), 'POLICY_REPLAYED', 'the nonce fits, the number does not')

    const neighbour = await site.enrol('dev_neighbour00')
    const question = policy.question()
    const theirs = await site.poll(neighbour, 'internet', { nonce: question.nonce })
    assert.equal(code(policy.accept(theirs, question)), 'POLICY_REFUSED')
    const ours = await site.poll(deployed.caller, 'internet', { nonce: question.nonce })
    const mixed = { head: ours.head, ...(theirs.body && { body: theirs.body }) }
    assert.equal(code(policy.accept(mixed, question)), 'POLICY_REFUSED')
    assert.equal(policy.current()?.body.deployments[0]?.settings.downloadRetryCount, 7)
  },
)

inWorldTest('documents of one type never pass as another', async ({ site, device, deployed }) => {
  const { policy, catalogue } = device.trust
  const question = policy.question()
  const { head, body } = await site.poll(deployed.caller, 'internet', question)
  assert.ok(body)
  assert.equal(code(policy.accept({ head: body, body: head }, question)), 'POLICY_REFUSED')
  const renamed = { ...body, payloadType: head.payloadType }
  assert.equal(code(policy.accept({ head: renamed, body }, question)), 'POLICY_REFUSED')

  const seen = new Map<string, Bytes>()
  device.relay = (file, bytes) => {
    seen.set(file.replace(/^\d+\./, ''), bytes)
    return ok(bytes)
  }
  assert.ok((await catalogue.refresh(['manifest/ABC00001/1'])).ok)
  await rm(join(device.folder, 'metadata'), { recursive: true })
  await device.restart()
  for (const instead of ['snapshot.json', 'targets.json', 'bin-0.json']) {
    const bytes = seen.get(instead)
    if (bytes === undefined) continue
    device.relay = (file, honestBytes) => ok(file === 'timestamp.json' ? bytes : honestBytes)
    assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED', instead)
  }
})

inWorldTest(
  'an old timestamp is refused after a newer one, and after a restart too',
  async ({ site, device, advance }) => {
    await device.sync()
    let old: Bytes | undefined
    device.relay = (file, bytes) => {
      if (file === 'timestamp.json') old ??= bytes
      return ok(bytes)
    }
    await device.sync()
    advance(HOUR)
    await site.catalogue.release('manifest/ABC00009/1', new TextEncoder().encode('new'))
    assert.equal(code(await device.sync()), 'accepted')
    const fresh = device.trust.catalogue.freshness()
    device.relay = (file, bytes) => ok(file === 'timestamp.json' && old ? old : bytes)
    for (const _ of ['before', 'after a restart']) {
      assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
      assert.deepEqual(device.trust.catalogue.freshness(), fresh)
      await device.restart()
    }
  },
)

inWorldTest('lists of different publications cannot be mixed', async ({ site, device, advance }) => {
  const name = 'manifest/ABC00001/1'
  const seen = new Map<string, Bytes>()
  device.relay = (file, bytes) => {
    seen.set(file.replace(/^\d+\./, ''), bytes)
    return ok(bytes)
  }
  assert.ok((await device.trust.catalogue.refresh([name])).ok)
  advance(HOUR)
  // As many releases as it takes for every list to change.
  const bytes = new TextEncoder().encode('x')
  await site.catalogue.releaseAll(Array.from({ length: 99 }, (_, i) => ({ name: `manifest/ABC00009/${i}`, bytes })))
  for (const withheld of seen.keys()) {
    if (withheld === 'timestamp.json' || withheld === 'targets.json') continue
    device.relay = (file, honestBytes) =>
      ok(file.endsWith(`.${withheld}`) ? (seen.get(withheld) ?? bytes) : honestBytes)
    assert.equal(code(await device.trust.catalogue.refresh([name])), 'CATALOGUE_REFUSED', withheld)
  }
  device.relay = honest
  assert.ok((await device.trust.catalogue.refresh([name])).ok)
})

inWorldTest(
  'whoever withholds what is new is found out when the timestamp expires',
  async ({ site, device, advance }) => {
    let frozen: Bytes | undefined
    device.relay = (file, bytes) => {
      if (file === 'timestamp.json') frozen ??= bytes
      return ok(bytes)
    }
    await device.sync()
    device.relay = (file, bytes) => ok(file === 'timestamp.json' && frozen ? frozen : bytes)
    for (let hour = 1; hour < 24; hour++) {
      advance(HOUR)
      await site.catalogue.renew()
      assert.equal(code(await device.sync()), 'accepted', `hour ${hour}`)
    }
    advance(HOUR + 1)
    assert.equal(code(await device.sync()), 'CATALOGUE_REFUSED')
    assert.equal(device.trust.mayStart(), undefined, 'for seven days after the last fresh one')
    advance(7 * DAY)
    await device.poll()
    const stale = device.trust.mayStart()
    assert.equal(stale?.code, 'POLICY_STALE')
    assert.match(stale?.detail ?? '', /catalogue/)
    device.relay = honest
    await site.catalogue.renew()
    assert.equal(code(await device.sync()), 'accepted')
    assert.equal(device.trust.mayStart(), undefined)
  },
)

inWorldTest(
  'offline, the device goes on with what it has, and starts anew for as long as the site allows',
  async ({ site, device, advance }) => {
    site.world.clientSettings = { ...site.world.clientSettings, offlineStartMs: 3 * DAY }
    await device.sync()
    const sequence = sequenceOf(device)
    assert.ok((await device.trust.catalogue.fetchTarget(sequence)).ok)
    device.relay = offline
    for (const [passed, expected] of [
      [DAY - 1, undefined],
      [DAY, undefined],
      [DAY, undefined],
      [1, 'POLICY_STALE'],
    ] as const) {
      advance(passed)
      await device.restart()
      assert.equal(code(await device.trust.catalogue.refresh()), 'UNREACHABLE')
      assert.equal(device.trust.mayStart()?.code, expected)
      // A running sequence still reads what it needs.
      assert.ok((await device.trust.catalogue.fetchTarget(sequence)).ok)
      assert.ok((await device.trust.catalogue.target('manifest/ABC00001/1')).ok)
    }
    const unknown = await device.trust.catalogue.target('manifest/ABC00009/1')
    assert.equal(code(unknown), 'UNREACHABLE', 'never "not released" because nobody could look')
  },
)

inWorldTest(
  'with an offline time of zero, what is signed is good until it expires',
  async ({ site, device, advance }) => {
    site.world.clientSettings = { ...site.world.clientSettings, offlineStartMs: 0 }
    await device.sync()
    advance(23 * HOUR)
    assert.equal(device.trust.mayStart(), undefined)
    advance(HOUR)
    assert.equal(device.trust.mayStart()?.code, 'POLICY_STALE')
  },
)

inWorldTest('a restored site is no attacker: devices go on with it', async ({ site, device, deployed, advance }) => {
  await device.sync()
  const { db, catalogue, policy, deployments } = site
  const tables = ['catalogue_metadata', 'catalogue_targets', 'policy_bodies', 'deployments'] as const
  const backup = await Promise.all(tables.map((table) => db.selectFrom(table).selectAll().execute()))
  for (let i = 1; i <= 3; i++) {
    advance(HOUR)
    await catalogue.release(`manifest/ABC00009/${i}`, new TextEncoder().encode(`lost ${i}`))
    const settings = DeploymentSettings.parse({ allowInternet: true, downloadRetryCount: i })
    await deployments.change(deployed.deployment.id, settings)
    assert.equal(code(await device.sync()), 'accepted')
  }
  for (const [i, table] of tables.entries()) {
    await db.deleteFrom(table).execute()
    for (const row of backup[i] ?? [])
      await db
        .insertInto(table)
        .values(row as never)
        .execute()
  }
  assert.equal(code(await device.poll()), 'POLICY_REPLAYED', 'a restore that nobody told the site of')
  assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')

  advance(1000)
  await catalogue.republish()
  await policy.restored()
  assert.equal(code(await device.sync()), 'accepted')
  assert.equal(device.trust.policy.current()?.body.deployments[0]?.settings.downloadRetryCount, 2)
  assert.equal(code(await device.trust.catalogue.fetchTarget(sequenceOf(device))), 'accepted')
  const lost = await device.trust.catalogue.target('manifest/ABC00009/1')
  assert.deepEqual(lost, { ok: true, value: undefined })
})

inWorldTest('a root that enrolment did not pin is refused, whoever signed it', async ({ site, device, deployed }) => {
  const others = await makeKeyring()
  const opened = await openDatabase({ kind: 'sqlite', path: join(device.folder, 'other.db') })
  assert.ok(opened.ok)
  const attacker = await createSiteWorld(opened.value, others)
  await opened.value.destroy()
  const trusted = await openTrust({
    folder: join(device.folder, 'new'),
    deviceId: deployed.deviceId,
    root: attacker.catalogue.trust().catalogueRoot,
    rootHash: site.catalogue.rootHash(),
    fetch: async () => offline('', new Uint8Array()),
    store: { load: () => undefined, save() {} },
    clock: () => site.clock.now(),
  })
  assert.equal(code(trusted), 'CATALOGUE_REFUSED')
})

inWorldTest('the root of next year is taken over; nothing else may pass as one', async ({ site, device, advance }) => {
  await device.sync()
  device.relay = (file, bytes) => ok(file === '2.root.json' ? flip(bytes, bytes.length - 20) : bytes)
  advance(300 * DAY)
  await site.catalogue.renew()
  assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
  device.relay = honest
  assert.equal(code(await device.sync()), 'accepted')
  device.asked.length = 0
  assert.equal(code(await device.sync()), 'accepted')
  assert.equal(device.asked[0], '3.root.json')
})

inWorldTest(
  'a refresh that breaks off, or a damaged disk, leaves the old catalogue or starts from the pinned root',
  async ({ site, device, advance }) => {
    await device.sync()
    const before = device.trust.catalogue.freshness()
    advance(HOUR)
    await site.catalogue.release('manifest/ABC00009/1', new TextEncoder().encode('new'))
    device.relay = (file, bytes) => (file.endsWith('snapshot.json') ? offline(file, bytes) : ok(bytes))
    assert.equal(code(await device.trust.catalogue.refresh()), 'UNREACHABLE')
    assert.deepEqual(device.trust.catalogue.freshness(), before)

    // What a crash leaves is swept away.
    const metadata = join(device.folder, 'metadata')
    const generation = (await readdir(metadata)).filter((name) => name.startsWith('g-'))
    assert.equal(generation.length, 1)
    await device.restart()
    assert.deepEqual(device.trust.catalogue.freshness(), before)

    const victim = join(metadata, generation[0] ?? '', 'timestamp.json')
    await writeFile(victim, flip(await readFile(victim), 50))
    await device.restart()
    assert.equal(device.trust.catalogue.freshness(), undefined)
    device.relay = honest
    assert.equal(code(await device.sync()), 'accepted')
  },
)

inWorldTest('a site that never stops sending is cut off at the limit', async ({ device }) => {
  const limits = new Map<string, number>()
  device.relay = (file) => {
    limits.set(file, (limits.get(file) ?? 0) + 1)
    return ok(new Uint8Array(20_000_000))
  }
  assert.equal(code(await device.trust.catalogue.refresh()), 'CATALOGUE_REFUSED')
  assert.deepEqual([...limits.keys()], ['timestamp.json'])
})

inWorldTest('targets that no policy names any more are forgotten', async ({ device }) => {
  await device.sync()
  for (const reference of references(device)) await device.trust.catalogue.fetchTarget(reference)
  await device.trust.catalogue.retain([sequenceOf(device)])
  assert.deepEqual(await readdir(join(device.folder, 'targets')), [sequenceOf(device).sha256])
})
