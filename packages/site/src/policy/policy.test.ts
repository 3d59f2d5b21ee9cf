import assert from 'node:assert/strict'
import { createHash, createPublicKey, verify } from 'node:crypto'
import {
  DeploymentSettings,
  type Envelope,
  PackageId,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  PolicyBody,
  PolicyHead,
  ProblemError,
  preAuthEncoding,
  readSignedJson,
} from '@sluice/protocol'
import { onEveryDatabase } from '../db/testing.ts'
import { createSiteWorld, gateway, internet, makeKeyring, report, runOf } from '../deployments/testing/site-world.ts'

const keyring = await makeKeyring()
const HOUR = 3600_000

/** The payload of an envelope that the policy key signed. */
function opened(envelope: Envelope | undefined, type: string): { bytes: Buffer; value: unknown } {
  assert.ok(envelope)
  assert.equal(envelope.payloadType, type)
  const bytes = Buffer.from(envelope.payload, 'base64')
  const x = Buffer.from(keyring.policy.publicKey).toString('base64url')
  const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
  const [signature] = envelope.signatures
  assert.equal(signature?.keyid, keyring.policy.keyid)
  assert.ok(verify(null, preAuthEncoding(type, bytes), key, Buffer.from(signature?.sig ?? '', 'base64')))
  const json = readSignedJson(bytes)
  assert.ok(json.ok)
  return { bytes, value: json.value }
}
const headOf = (envelope: Envelope) => PolicyHead.parse(opened(envelope, POLICY_HEAD_TYPE).value)
const bodyOf = (envelope: Envelope | undefined) => PolicyBody.parse(opened(envelope, POLICY_BODY_TYPE).value)

onEveryDatabase('a device gets its deployment, signed, with everything that the catalogue lists of it', async (db) => {
  const { deployToInternet, poll, sequences, packages, clock, catalogue, seen } = await createSiteWorld(db, keyring)
  const { caller, deviceId, deployment } = await deployToInternet()
  const answer = await poll(caller, 'internet', { nonce: 'asked for the first time' })
  const head = headOf(answer.head)
  const { bytes } = opened(answer.body, POLICY_BODY_TYPE)
  assert.deepEqual(head, {
    v: 1,
    minReader: 1,
    crit: [],
    deviceId,
    epoch: 1,
    seq: 1,
    bodyHash: createHash('sha256').update(bytes).digest('hex'),
    now: new Date(clock.now()).toISOString(),
    nonce: 'asked for the first time',
    expiresAt: new Date(clock.now() + 24 * HOUR).toISOString(),
  })
  const body = bodyOf(answer.body)
  const sequence = await sequences.find('Upgrade')
  assert.deepEqual(body.gateways, [
    {
      gatewayId: internet,
      name: 'internet',
      kind: 'internet',
      deviceUrl: 'https://internet.example:8443',
      enrolmentUrl: 'https://internet.example:8444',
    },
  ])
  const [one] = body.deployments
  assert.equal(one?.id, deployment.id)
  assert.deepEqual(one?.refusals, [])
  assert.deepEqual(one?.sequence, await catalogue.released(`sequence/${sequence.id}/1`))
  assert.deepEqual(
    one?.packages.map(({ contentId, manifest }) => [contentId, manifest.target, manifest.sha256]),
    [...packages.values()].map(({ id, contentId }) => [contentId, `manifest/${id}/1`, contentId]),
  )
  assert.deepEqual(seen, [deviceId])
})

onEveryDatabase('the body is signed when it changes, the head at each poll', async (db) => {
  const { deployToInternet, poll, deployments, clock } = await createSiteWorld(db, keyring)
  const { caller, deployment } = await deployToInternet()
  const first = await poll(caller)
  clock.advance(HOUR)
  const { bodyHash } = headOf(first.head)
  const second = await poll(caller, 'internet', { nonce: 'another question', knownBodyHash: bodyHash })
  assert.equal(second.body, undefined)
  const again = headOf(second.head)
  assert.deepEqual([again.seq, again.nonce, again.bodyHash], [1, 'another question', bodyHash])
  assert.equal(Date.parse(again.now), clock.now())

  const { signed_at } = await db.selectFrom('policy_bodies').select('signed_at').executeTakeFirstOrThrow()
  assert.equal(signed_at, clock.now() - HOUR)
  assert.deepEqual((await poll(caller)).body, first.body, 'who lost it gets the same bytes')

  await deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true, downloadRetryCount: 5 }))
  const third = await poll(caller, 'internet', { knownBodyHash: bodyHash })
  assert.equal(headOf(third.head).seq, 2)
  assert.equal(bodyOf(third.body).deployments[0]?.revision, 2)
})

onEveryDatabase('a number never means two bodies: polls from two places, and at the same time', async (db) => {
  const { deployToInternet, poll, gateways } = await createSiteWorld(db, keyring)
  const { caller } = await deployToInternet()
  gateways.push(gateway('internal'))
  const outside = await poll(caller, 'internet')
  const inside = await poll(caller, 'internal')
  const outsideAgain = await poll(caller, 'internet')
  assert.deepEqual(
    [outside, inside, outsideAgain].map((answer) => headOf(answer.head).seq),
    [1, 2, 3],
  )
  assert.deepEqual(
    [outside, inside].map((answer) => bodyOf(answer.body).gateways.map(({ kind }) => kind)),
    [
      ['internet', 'internal'],
      ['internal', 'internet'],
    ],
  )
  const heads = await Promise.all(
    Array.from({ length: 12 }, async (_, i) => headOf((await poll(caller, i % 2 ? 'internal' : 'internet')).head)),
  )
  const bodies = new Map<number, string>()
  for (const { seq, bodyHash } of heads) {
    assert.equal(bodies.get(seq) ?? bodyHash, bodyHash)
    bodies.set(seq, bodyHash)
  }
})

onEveryDatabase('a refused deployment travels with its reasons, and entitles to nothing', async (db) => {
  const { deployToInternet, poll, policy, packages, gateways } = await createSiteWorld(db, keyring)
  const { caller, deviceId } = await deployToInternet()
  const all = [...packages.values()].map(({ contentId }) => contentId).toSorted()
  assert.deepEqual([...(await policy.entitledContents(deviceId, 'internet'))].toSorted(), all)
  assert.deepEqual(bodyOf((await poll(caller)).body).deployments[0]?.refusals, [])

  gateways.splice(0, 1, gateway('internet', false))
  const refused = bodyOf((await poll(caller)).body).deployments[0]
  assert.deepEqual(
    refused?.refusals.map(({ code }) => code),
    ['GATEWAY_CONTENT_DISABLED'],
  )
  assert.equal(refused?.packages.length, 2)
  assert.deepEqual([...(await policy.entitledContents(deviceId, 'internet'))], [])
})

onEveryDatabase('content is for the members of live deployments only', async (db) => {
  const { deployToInternet, deployments, collections, enrol, policy, clock } = await createSiteWorld(db, keyring)
  const { deviceId, collection, deployment } = await deployToInternet()
  const count = async (id = deviceId) => (await policy.entitledContents(id, 'internet')).size
  assert.equal(await count((await enrol('dev_stranger000')).deviceId), 0)
  const until = (ms: number) => new Date(clock.now() + ms).toISOString()
  const change = (settings: object) =>
    deployments.change(deployment.id, DeploymentSettings.parse({ allowInternet: true, ...settings }))
  await change({ availableAt: until(HOUR), expiresAt: until(3 * HOUR) })
  assert.equal(await count(), 0)
  clock.advance(2 * HOUR)
  assert.equal(await count(), 2)
  clock.advance(2 * HOUR)
  assert.equal(await count(), 0)
  await change({})
  assert.equal(await count(), 2)
  await collections.setMembers(collection, [])
  assert.equal(await count(), 0)
})

onEveryDatabase('a device whose policy is a version behind may fetch what that policy names', async (db) => {
  const { deployToInternet, poll, policy, packages, importPackage, install } = await createSiteWorld(db, keyring)
  const { caller, deviceId } = await deployToInternet()
  await poll(caller)
  const before = [...packages.values()].map(({ contentId }) => contentId)
  install((await importPackage('ABC00001', 2)).id, internet)
  const after = [...packages.values()].map(({ contentId }) => contentId)
  const entitled = async () => [...(await policy.entitledContents(deviceId, 'internet'))].toSorted()
  assert.deepEqual(await entitled(), [...new Set([...before, ...after])].toSorted())
  await poll(caller)
  assert.deepEqual(await entitled(), after.toSorted())
})

onEveryDatabase('a run that started keeps its content, whatever is changed meanwhile, until it ends', async (db) => {
  const site = await createSiteWorld(db, keyring)
  const { deployToInternet, poll, policy, packages, collections, importPackage, say, clock } = site
  const { caller, deviceId, collection, deployment } = await deployToInternet()
  await poll(caller)
  const contents = [...packages.values()].map(({ contentId }) => contentId).toSorted()
  const entitled = async () => [...(await policy.entitledContents(deviceId, 'internet'))].toSorted()
  await say(deviceId, { kind: 'runStarted', ...runOf(deployment.id), startedBy: 'user' })

  await importPackage('ABC00001', 2)
  assert.deepEqual(await entitled(), contents, 'a new version that is nowhere yet')
  await collections.setMembers(collection, [])
  assert.deepEqual(await entitled(), contents, 'no longer a member')
  clock.advance(8 * 24 * HOUR)
  assert.deepEqual(await entitled(), [], 'a run does not last for ever')
  clock.advance(-8 * 24 * HOUR)
  await say(deviceId, { kind: 'runFinished', ...runOf(deployment.id), report })
  assert.deepEqual(await entitled(), [], 'it ended')
})

onEveryDatabase('a run that was never offered brings no content', async (db) => {
  const { deployToInternet, poll, policy, gateways, say } = await createSiteWorld(db, keyring)
  const { caller, deviceId, deployment } = await deployToInternet()
  gateways.splice(0, 1, gateway('internet', false))
  await poll(caller)
  await say(deviceId, { kind: 'runStarted', ...runOf(deployment.id), startedBy: 'user' })
  assert.deepEqual([...(await policy.entitledContents(deviceId, 'internet'))], [])
})

onEveryDatabase('pending, revoked and unknown devices get no policy', async (db) => {
  const { deployToInternet, poll } = await createSiteWorld(db, keyring)
  const { caller } = await deployToInternet()
  const refusedAs = (code: string) => (e: unknown) => e instanceof ProblemError && e.problem.code === code
  for (const [state, code] of [
    ['pending', 'DEVICE_PENDING'],
    ['revoked', 'CERTIFICATE_REVOKED'],
  ] as const) {
    await db.updateTable('devices').set({ state }).execute()
    await assert.rejects(poll(caller), refusedAs(code))
  }
  await assert.rejects(poll({ identity: 'anonymous', remoteAddress: '' }), refusedAs('NOT_AUTHENTICATED'))
  assert.deepEqual(await db.selectFrom('policy_bodies').selectAll().execute(), [])
})

onEveryDatabase('a restored site raises its epoch, each time further', async (db) => {
  const { deployToInternet, poll, policy, clock } = await createSiteWorld(db, keyring)
  const { caller } = await deployToInternet()
  await policy.restored()
  const first = headOf((await poll(caller)).head).epoch
  assert.equal(first, Math.floor(clock.now() / 1000))
  await policy.restored()
  assert.equal(headOf((await poll(caller)).head).epoch, first + 1)
  // The same backup once more: it knows nothing of the first restore.
  await db.deleteFrom('counters').where('name', '=', 'policy epoch').execute()
  clock.advance(60_000)
  await policy.restored()
  assert.equal(headOf((await poll(caller)).head).epoch, first + 60)
})

onEveryDatabase('a package whose import is not done, or a draft, takes nothing else away', async (db) => {
  const { deployToInternet, poll, packages, sequences, sequenceText } = await createSiteWorld(db, keyring)
  const { caller } = await deployToInternet()
  const id = PackageId.parse('ABC00002')
  const one = packages.get(id)
  assert.ok(one)
  packages.set(id, { ...one, version: 0, contentId: undefined })
  const [deployment] = bodyOf((await poll(caller)).body).deployments
  assert.deepEqual(
    deployment?.packages.map((named) => named.id),
    ['ABC00001'],
  )
  assert.deepEqual(
    deployment?.refusals.map(({ code }) => code),
    ['CONTENT_MISSING_IN_CLOUD'],
  )

  packages.set(id, one)
  const { id: sequenceId } = await sequences.apply({ fileName: 'up.json', text: sequenceText('Upgrade', ['ABC00001']) })
  await db.deleteFrom('catalogue_targets').where('name', '=', `sequence/${sequenceId}/2`).execute()
  const [still] = bodyOf((await poll(caller)).body).deployments
  assert.equal(still?.sequence.target, `sequence/${sequenceId}/1`)
})
