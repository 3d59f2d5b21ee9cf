import assert from 'node:assert/strict'
import { statSync, writeFileSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type EnrolmentAnswer, type EnrolmentRequest, problem, type SiteId } from '@sluice/protocol'
import { createGatewayClient } from '../gateway-client/gateway-client.ts'
import { silentLog } from '../log.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createTestAuthority } from '../testing/test-authority.ts'
import { approvedAnswer, testBundle, testCertificate, testDeviceId, testFacts } from '../testing/test-device.ts'
import { startTestGateway, type TestAnswer, type TestGateway } from '../testing/test-gateway.ts'
import { type DeviceKeys, openDeviceKeys } from './device-keys.ts'
import { type EnrolmentState, enrol } from './enrolment.ts'
import { checkIdentity, loadIdentity, storeIdentity } from './identity.ts'

const authority = createTestAuthority()

interface World {
  gateway: TestGateway
  keys: DeviceKeys
  folder: string
  bundlePath: string
  states: EnrolmentState[]
  enrol(signal?: AbortSignal): ReturnType<typeof enrol>
}

async function world(t: TestContext, answer: (keys: DeviceKeys, nth: number) => TestAnswer): Promise<World> {
  let asked = 0
  const folder = temporaryFolder(t)
  const keys = await openDeviceKeys(folder)
  const gateway = await startTestGateway(t, { enrol: () => answer(keys, ++asked) })
  const bundlePath = join(folder, 'bundle.json')
  writeFileSync(bundlePath, JSON.stringify(testBundle(gateway, 'the-token')))
  const client = createGatewayClient({ authority: gateway.authority.certificate, gateways: [gateway.address] })
  t.after(() => client.close())
  const states: EnrolmentState[] = []
  const platform = { facts: async () => ({ ...testFacts, freeDiskBytes: 1 }) }
  return {
    gateway,
    keys,
    folder,
    bundlePath,
    states,
    enrol: (signal = new AbortController().signal) =>
      enrol(
        {
          bundlePath,
          keys,
          client,
          platform,
          log: silentLog,
          random: () => 0,
          maxPauseMs: 4,
          onState: (state) => states.push(state),
        },
        signal,
      ),
  }
}

const approve = (keys: DeviceKeys): TestAnswer => ({ json: approvedAnswer(testCertificate(authority, keys.identity)) })
const pending = (keys: DeviceKeys): TestAnswer => ({
  json: {
    state: 'pending',
    deviceId: testDeviceId,
    fingerprint: keys.fingerprint,
    retryAfterMs: 2,
  } satisfies EnrolmentAnswer,
})

test('keys are made once, for their owner only', async (t) => {
  const folder = join(temporaryFolder(t), 'identity')
  const first = await openDeviceKeys(folder)
  const second = await openDeviceKeys(folder)
  assert.equal(second.identityPem, first.identityPem)
  assert.equal(second.sealPublic, first.sealPublic)
  assert.equal(Buffer.from(first.sealPublic, 'base64').length, 32)
  // On Windows they inherit the access list of the state folder.
  if (process.platform === 'win32') return
  assert.equal(statSync(folder).mode & 0o777, 0o700)
  for (const file of await readdir(folder)) assert.equal(statSync(join(folder, file)).mode & 0o777, 0o600, file)
})

test('a device with a token is approved, and knows itself after a restart', async (t) => {
  const { gateway, keys, folder, ...world_ } = await world(t, approve)
  const identity = await world_.enrol()
  assert.equal(identity.deviceId, testDeviceId)
  const asked = gateway.requests[0]?.body as EnrolmentRequest
  assert.equal(asked.token, 'the-token')
  assert.equal(asked.sealKey, keys.sealPublic)
  assert.deepEqual(asked.facts, testFacts)

  await storeIdentity(folder, identity)
  assert.deepEqual(await loadIdentity(folder, await openDeviceKeys(folder)), identity)
  assert.ok(!JSON.stringify(identity).includes('the-token'))
})

test('a pending device asks again with the same key until it is approved', async (t) => {
  const { gateway, keys, states, ...world_ } = await world(t, (keys, nth) => (nth < 3 ? pending(keys) : approve(keys)))
  await world_.enrol()
  assert.equal(gateway.requests.length, 3)
  const publicKeys = new Set(gateway.requests.map(({ body }) => (body as EnrolmentRequest).sealKey))
  assert.equal(publicKeys.size, 1)
  assert.deepEqual(
    states.map(({ kind }) => kind),
    ['asking', 'pending', 'pending'],
  )
  assert.deepEqual(states[1], { kind: 'pending', fingerprint: keys.fingerprint })
})

test('failures are tried again; a better bundle is used as soon as it is there', async (t) => {
  const world_ = await world(t, (keys, nth) =>
    nth === 1
      ? { problem: problem('SITE_UNREACHABLE', 'no link') }
      : nth === 2
        ? { raw: (r) => r.destroy() }
        : approve(keys),
  )
  const good = JSON.stringify(testBundle(world_.gateway, 'another-token'))
  await writeFile(world_.bundlePath, '{"format":"something else"}')
  const enrolled = world_.enrol()
  while (world_.states.length < 2) await new Promise(setImmediate)
  assert.equal(world_.gateway.requests.length, 0)
  await writeFile(world_.bundlePath, good)
  await enrolled
  const { body } = world_.gateway.requests.at(-1) ?? {}
  assert.equal((body as EnrolmentRequest).token, 'another-token')
})

test('a refused token is told, and the device goes on asking', async (t) => {
  const { states, ...world_ } = await world(t, (keys, nth) =>
    nth === 1 ? { problem: problem('ENROLMENT_TOKEN_REFUSED', 'used') } : approve(keys),
  )
  await world_.enrol()
  const told = states[1]
  assert.ok(told?.kind === 'asking')
  assert.equal(told.problem?.code, 'ENROLMENT_TOKEN_REFUSED')
})

test('enrolment ends with the abort of its signal', async (t) => {
  const world_ = await world(t, pending)
  const abort = new AbortController()
  const enrolled = world_.enrol(abort.signal)
  while (world_.states.length < 2) await new Promise(setImmediate)
  abort.abort(new Error('stopping'))
  await assert.rejects(enrolled, /stopping/)
})

test('an answer for another key, another device, another site or another catalogue is refused', async (t) => {
  const { gateway, keys, enrol: enrolNow } = await world(t, approve)
  const identity = await enrolNow()
  assert.equal(checkIdentity(identity, keys).ok, true)
  const stranger = await openDeviceKeys(join(temporaryFolder(t), 'other'))
  const certificateFor = (more: Partial<typeof identity>) => checkIdentity({ ...identity, ...more }, keys)
  for (const [result, code, what] of [
    [certificateFor({ certificate: testCertificate(authority, stranger.identity) }), 'BAD_ANSWER', /another key/],
    [certificateFor({ deviceId: 'dev_0000000002' as typeof testDeviceId }), 'BAD_ANSWER', /does not name/],
    [certificateFor({ certificate: 'nonsense' }), 'BAD_ANSWER', /no certificate/],
    [
      certificateFor({ trust: { ...identity.trust, siteId: 'site_2222222222' as SiteId } }),
      'BAD_ANSWER',
      /bundle is for/,
    ],
    [certificateFor({ trust: { ...identity.trust, catalogueRoot: '{}' } }), 'CATALOGUE_REFUSED', /pins/],
  ] as const) {
    assert.ok(!result.ok)
    assert.equal(result.problem.code, code)
    assert.match(result.problem.detail, what)
  }
  assert.equal(gateway.requests.length, 1)
})
