import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, sign } from 'node:crypto'
import { test } from 'node:test'
import {
  ClientSettings,
  DeviceId,
  type Envelope,
  POLICY_BODY_TYPE,
  POLICY_HEAD_TYPE,
  type PolicyKey,
  preAuthEncoding,
  type Result,
  writeSignedJson,
} from '@sluice/protocol'
import { createEffectiveTime } from './effective-time.ts'
import { createPolicy, type PolicyStore, type StoredPolicy } from './policy.ts'

/** A site that signs whatever the test wants, right or wrong. */
function makeKey() {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url')
  const listed: PolicyKey = {
    keyid: createHash('sha256').update(raw).digest('hex'),
    publicKey: raw.toString('base64'),
  }
  const seal = (payloadType: string, payload: Uint8Array, signedAs = payloadType): Envelope => ({
    payloadType,
    payload: Buffer.from(payload).toString('base64'),
    signatures: [
      { keyid: listed.keyid, sig: sign(null, preAuthEncoding(signedAs, payload), privateKey).toString('base64') },
    ],
  })
  return { listed, seal }
}

const site = makeKey()
const deviceId = DeviceId.parse('dev_0123456789')
const start = Date.parse('2026-11-20T12:00:00Z')
const HOUR = 3600_000
const iso = (ms: number) => new Date(ms).toISOString()

const body = (change: object = {}) => ({
  v: 1,
  minReader: 1,
  crit: [],
  deviceId,
  location: 'internet',
  clientSettings: ClientSettings.parse({}),
  gateways: [
    {
      gatewayId: 'gw_0123456789',
      name: 'edge',
      kind: 'internet',
      deviceUrl: 'https://edge.example:1',
      enrolmentUrl: 'https://edge.example:2',
    },
  ],
  deployments: [],
  ...change,
})
const bodyBytes = writeSignedJson(body())
const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex')

const head = (nonce: string, change: object = {}) => ({
  v: 1,
  minReader: 1,
  crit: [],
  deviceId,
  epoch: 1,
  seq: 5,
  bodyHash: hashOf(bodyBytes),
  now: iso(start),
  nonce,
  expiresAt: iso(start + 24 * HOUR),
  ...change,
})

function makeDevice(kept?: StoredPolicy) {
  const device = { time: start, stored: kept, saves: 0, keys: [site.listed] }
  const store: PolicyStore = {
    load: () => device.stored,
    save(policy) {
      device.stored = policy
      device.saves++
    },
  }
  const time = createEffectiveTime(() => device.time)
  const policy = createPolicy({ deviceId, keys: () => device.keys, store, time })
  /** Asks, and answers with what the test makes of the nonce. */
  function answer(makeHead: (nonce: string) => Envelope, withBody: Envelope | undefined = goodBody) {
    const question = policy.question()
    return policy.accept({ head: makeHead(question.nonce), ...(withBody && { body: withBody }) }, question)
  }
  const say = (change: object = {}, withBody?: Envelope) =>
    answer((nonce) => site.seal(POLICY_HEAD_TYPE, writeSignedJson(head(nonce, change))), withBody)
  return Object.assign(device, { policy, answer, say, clock: time })
}

const goodBody = site.seal(POLICY_BODY_TYPE, bodyBytes)
const code = (result: Result<unknown>) => (result.ok ? 'accepted' : result.problem.code)

test('a policy that is signed, for this device and fresh is accepted and kept', () => {
  const device = makeDevice()
  const accepted = device.say()
  assert.ok(accepted.ok)
  assert.equal(accepted.value.head.seq, 5)
  assert.deepEqual(device.policy.current(), accepted.value)
  assert.equal(device.stored?.signedAt, start)
  assert.deepEqual(device.policy.freshness(), { freshAt: start, expiresAt: start + 24 * HOUR })
  assert.equal(device.policy.question().knownBodyHash, hashOf(bodyBytes))
})

for (const [what, change, expected] of [
  ['another device', { deviceId: 'dev_another000' }, 'POLICY_REFUSED'],
  ['another question', { nonce: 'a nonce that nobody asked with' }, 'POLICY_REPLAYED'],
  ['an earlier number', { seq: 4 }, 'POLICY_REPLAYED'],
  ['an earlier epoch', { epoch: 1, seq: 900 }, 'POLICY_REPLAYED'],
  ['a day that is over', { epoch: 2, seq: 6, expiresAt: iso(start - 1) }, 'POLICY_REFUSED'],
  ['another body under the same number', { epoch: 2, seq: 5, bodyHash: '0'.repeat(64) }, 'POLICY_REFUSED'],
  ['a body that does not come with it', { epoch: 2, seq: 6, bodyHash: '0'.repeat(64) }, 'POLICY_REFUSED'],
  ['newer readers', { epoch: 2, seq: 6, minReader: 2 }, 'POLICY_TOO_NEW'],
  ['readers of an unknown field', { epoch: 2, seq: 6, crit: ['quarantine'] }, 'POLICY_TOO_NEW'],
  ['nobody: a field is missing', { epoch: 2, seq: undefined }, 'POLICY_REFUSED'],
] as const)
  test(`a head for ${what} changes nothing: ${expected}`, () => {
    const device = makeDevice()
    assert.equal(code(device.say({ epoch: 2, seq: 5 })), 'accepted')
    const before = device.stored
    assert.equal(code(device.say({ epoch: 2, seq: 5, ...change })), expected)
    assert.equal(device.stored, before)
    assert.equal(device.saves, 1)
    assert.equal(device.policy.current()?.head.seq, 5)
  })

test('one flipped bit anywhere in a signed payload or its signature is refused', () => {
  for (const part of ['payload', 'sig'] as const) {
    const device = makeDevice()
    const question = device.policy.question()
    const envelope = site.seal(POLICY_HEAD_TYPE, writeSignedJson(head(question.nonce)))
    const bytes = Buffer.from(part === 'payload' ? envelope.payload : (envelope.signatures[0]?.sig ?? ''), 'base64')
    for (let at = 0; at < bytes.length; at++) {
      const flipped = Buffer.from(bytes)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << (at % 8))
      const text = flipped.toString('base64')
      const forged: Envelope =
        part === 'payload'
          ? { ...envelope, payload: text }
          : { ...envelope, signatures: [{ keyid: site.listed.keyid, sig: text }] }
      assert.equal(code(device.policy.accept({ head: forged, body: goodBody }, question)), 'POLICY_REFUSED')
    }
    assert.equal(device.saves, 0)
    assert.equal(code(device.policy.accept({ head: envelope, body: goodBody }, question)), 'accepted')
  }
})

test('a body that was changed is refused, however its head is', () => {
  const forged = Buffer.from(bodyBytes)
  forged[forged.indexOf('internet')] = 'I'.charCodeAt(0)
  const device = makeDevice()
  assert.equal(code(device.say({}, { ...goodBody, payload: forged.toString('base64') })), 'POLICY_REFUSED')
  const resigned = site.seal(POLICY_BODY_TYPE, writeSignedJson(body({ location: 'internal' })))
  assert.equal(code(device.say({}, resigned)), 'POLICY_REFUSED', 'signed, but not the one that the head names')
  const others = writeSignedJson(body({ deviceId: 'dev_another000' }))
  const another = device.say({ bodyHash: hashOf(others) }, site.seal(POLICY_BODY_TYPE, others))
  assert.equal(code(another), 'POLICY_REFUSED')
  assert.equal(device.saves, 0)
})

test('a signature counts for the type that it was made for, and for no other', () => {
  const device = makeDevice()
  const asHead = (payload: Uint8Array, signedAs: string) =>
    device.answer(() => site.seal(POLICY_HEAD_TYPE, payload, signedAs))
  assert.equal(code(asHead(bodyBytes, POLICY_BODY_TYPE)), 'POLICY_REFUSED', 'a body posing as a head')
  const typed = device.answer((nonce) => site.seal(POLICY_BODY_TYPE, writeSignedJson(head(nonce))))
  assert.equal(code(typed), 'POLICY_REFUSED', 'a head of the wrong type')
})

test('keys that the catalogue does not list sign nothing', () => {
  const stranger = makeKey()
  const device = makeDevice()
  const forge = (change: Partial<Envelope>) =>
    device.answer((nonce) => ({ ...stranger.seal(POLICY_HEAD_TYPE, writeSignedJson(head(nonce))), ...change }))
  assert.equal(code(forge({})), 'POLICY_REFUSED')
  const renamed = device.answer((nonce) => {
    const envelope = stranger.seal(POLICY_HEAD_TYPE, writeSignedJson(head(nonce)))
    return { ...envelope, signatures: envelope.signatures.map(({ sig }) => ({ keyid: site.listed.keyid, sig })) }
  })
  assert.equal(code(renamed), 'POLICY_REFUSED')
  // One good signature beside a strange one is enough.
  const both = device.answer((nonce) => {
    const payload = writeSignedJson(head(nonce))
    const [first, second] = [stranger.seal(POLICY_HEAD_TYPE, payload), site.seal(POLICY_HEAD_TYPE, payload)]
    return { ...second, signatures: [...first.signatures, ...second.signatures] }
  })
  assert.equal(code(both), 'accepted')
})

test('signed bytes that can be read in two ways are refused', () => {
  for (const twist of [
    (text: string) => text.replace('{', '{"deviceId":"dev_another000",'),
    (text: string) => text.replace('{', '{"__proto__":{},'),
    (text: string) => `${text}\n`,
    (text: string) => `\ufeff${text}`,
    (text: string) => text.replace('"seq":5', '"seq":5.0'),
  ]) {
    const device = makeDevice()
    const result = device.answer((nonce) => {
      const text = twist(new TextDecoder().decode(writeSignedJson(head(nonce))))
      return site.seal(POLICY_HEAD_TYPE, new TextEncoder().encode(text))
    })
    assert.equal(code(result), 'POLICY_REFUSED')
  }
})

test('an unchanged body need not be sent again; unknown fields are ignored', () => {
  const device = makeDevice()
  assert.equal(code(device.say()), 'accepted')
  const later = { now: iso(start + HOUR), expiresAt: iso(start + 25 * HOUR), somethingNew: true }
  const question = device.policy.question()
  assert.equal(question.knownBodyHash, hashOf(bodyBytes))
  const answered = site.seal(POLICY_HEAD_TYPE, writeSignedJson(head(question.nonce, later)))
  assert.equal(code(device.policy.accept({ head: answered }, question)), 'accepted')
  assert.deepEqual(device.stored?.body, goodBody)
  assert.equal(device.policy.freshness()?.freshAt, start + HOUR)

  const other = head(question.nonce, { ...later, seq: 6, bodyHash: '1'.repeat(64) })
  const left = device.policy.accept({ head: site.seal(POLICY_HEAD_TYPE, writeSignedJson(other)) }, question)
  assert.equal(code(left), 'POLICY_REFUSED')
})

test('after a restart the policy is verified again, and the floor holds', () => {
  const before = makeDevice()
  before.say()
  const device = makeDevice(before.stored)
  assert.deepEqual(device.policy.current(), before.policy.current())
  assert.equal(code(device.say({ seq: 4 })), 'POLICY_REPLAYED')

  // Somebody changed the disk: nothing of it is used, but what was seen stays seen.
  assert.ok(before.stored)
  const forged = site.seal(POLICY_BODY_TYPE, writeSignedJson(body({ location: 'internal' })))
  const changed = makeDevice({ ...before.stored, body: forged })
  assert.equal(changed.policy.current(), undefined)
  assert.equal(changed.policy.question().knownBodyHash, undefined)
  assert.equal(code(changed.say({ seq: 4 })), 'POLICY_REPLAYED')
  assert.equal(code(changed.say()), 'accepted')
})

test('a policy whose keys were changed in the catalogue is no longer believed after a restart', () => {
  const before = makeDevice()
  before.say()
  const next = makeKey()
  const store = { load: () => before.stored, save() {} }
  const time = createEffectiveTime(() => start)
  const policy = createPolicy({ deviceId, keys: () => [next.listed], store, time })
  assert.equal(policy.current(), undefined)
})

test('a clock that is turned back does not make an old policy young', () => {
  const device = makeDevice()
  device.say({ now: iso(start + 48 * HOUR), expiresAt: iso(start + 72 * HOUR) })
  assert.equal(device.clock.now(), start + 48 * HOUR)
  const old = { seq: 6, now: iso(start), expiresAt: iso(start + 24 * HOUR) }
  assert.equal(code(device.say(old)), 'POLICY_REFUSED')
  // A site whose clock was wrong gets its devices back with a new epoch.
  assert.equal(code(device.say({ ...old, epoch: 2 })), 'accepted')
  assert.equal(device.clock.now(), start)
})

test('settings of the future are ignored, unless the policy names them in crit', () => {
  const newer = { ...body(), clientSettings: { ...ClientSettings.parse({}), cloudServices: { future: true } } }
  for (const [crit, expected] of [
    [[], 'accepted'],
    [['clientSettings.cloudServices.future'], 'POLICY_TOO_NEW'],
  ] as const) {
    const device = makeDevice()
    const bytes = writeSignedJson({ ...newer, crit })
    const said = device.say({ bodyHash: hashOf(bytes) }, site.seal(POLICY_BODY_TYPE, bytes))
    assert.equal(code(said), expected)
    if (said.ok) assert.deepEqual(said.value.body.clientSettings, ClientSettings.parse({}))
  }
})
