import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import {
  type Caller,
  type DeviceFacts,
  type DeviceId,
  type EnrolmentAnswer,
  EnrolmentAnswer as EnrolmentAnswerSchema,
  GatewayId,
  type ProblemCode,
  ProblemError,
  RenewalAnswer,
  Sha256,
  SiteId,
  type SiteTrust,
  TokenId,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { newId } from '../identity/new-id.ts'
import { createOrganisation } from '../identity/organisation.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { silentLog } from '../log.ts'
import { createVault } from '../secrets/vault.ts'
import { type DeviceKey, makeDeviceKey } from '../testing/device-key.ts'
import { someAgent as agent, someFacts as facts } from '../testing/enrolled-device.ts'
import { inFolder } from '../testing/in-folder.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { createAdmission } from './admission.ts'
import { createConflicts } from './conflicts.ts'
import { createDevices } from './devices.ts'
import { createEnrolment } from './enrolment.ts'
import { createSignIns } from './sign-in.ts'
import { createSignInSettings } from './sign-in-settings.ts'

/** Of an answer to a device that waits: nothing else is told. */
const PENDING_FIELDS = ['deviceId', 'fingerprint', 'retryAfterMs', 'state']
type EnrolmentDecision = Exclude<EnrolmentAnswer, { state: 'signingIn' }>
const DAY_MS = 24 * 3600_000
const gatewayId = newId('gw', GatewayId)
const trust: SiteTrust = {
  siteId: newId('site', SiteId),
  policyKeys: [{ keyid: 'k', publicKey: 'AAAA' }],
  catalogueRoot: '{}',
}

const withCode = (code: ProblemCode) => (error: unknown) => error instanceof ProblemError && error.problem.code === code

async function withSite(db: Kysely<Database>, body: (site: Awaited<ReturnType<typeof makeSite>>) => Promise<void>) {
  await inFolder('devices', async (folder) => await body(await makeSite(db, folder)))
}

async function makeSite(db: Kysely<Database>, folder: string) {
  const clock = createManualClock()
  const identity = await openSiteIdentity({ db, folder, clock, log: silentLog })
  const requireDevice = createAdmission({ db, clock })
  const revoked: Sha256[] = []
  const told = { certificates: 0 }
  const vault = createVault(new Uint8Array(32))
  const conflicts = createConflicts({
    ...{ db, clock, log: silentLog, vault, revoke: (id) => devices.revoke(id), onInherited: () => {} },
    onCertificates: () => {
      told.certificates++
    },
  })
  const devices = createDevices({
    conflicts,
    db,
    identity,
    clock,
    log: silentLog,
    gateways: async () => [
      {
        gatewayId,
        name: 'edge',
        kind: 'internet',
        deviceUrl: 'https://gateway.example',
        enrolmentUrl: 'https://gateway.example:8443',
      },
    ],
    catalogueRootHash: async () => Sha256.parse('0'.repeat(64)),
    onRevoked: (certificates) => revoked.push(...certificates),
  })
  const signIns = createSignIns({
    ...{ db, vault, clock, log: silentLog },
    settings: createSignInSettings({ db, vault }),
  })
  const handlers = createEnrolment({
    ...{
      signIns,
      onCertificates: () => {},
      maxPending: 1_200,
      db,
      identity,
      clock,
      log: silentLog,
      requireDevice,
      trust: async () => trust,
    },
    organisation: createOrganisation({ db, siteId: identity.siteId, clock, log: silentLog, revoke: devices.revoke }),
  })
  const gateway = { gatewayId, kind: 'internet' } as const
  const signal = new AbortController().signal

  return {
    clock,
    devices,
    requireDevice,
    revoked,
    conflicts,
    told,
    async enrol(
      key: DeviceKey,
      token?: string,
      sealKey = 'c2VhbA==',
      more: { facts?: DeviceFacts; address?: string } = {},
    ): Promise<EnrolmentDecision> {
      const answer = await handlers.enrol({
        caller: { identity: 'anonymous', remoteAddress: more.address ?? '192.0.2.1' },
        gateway,
        parameters: {},
        body: {
          csr: await key.request(),
          sealKey,
          facts: more.facts ?? facts,
          agent,
          ...(token === undefined ? {} : { token }),
        },
        signal,
      })
      const decision = EnrolmentAnswerSchema.parse(answer.body)
      assert.ok(decision.state !== 'signingIn')
      return decision
    },
    async renew(key: DeviceKey, caller: Caller): Promise<string> {
      const body = { csr: await key.request() }
      const answer = await handlers.renew({ caller, gateway, parameters: {}, body, signal })
      return RenewalAnswer.parse(answer.body).certificate
    },
  }
}

const callerWith = (deviceId: DeviceId, pem: string, expired = false): Caller => ({
  identity: 'device',
  deviceId,
  certificate: Sha256.parse(new X509Certificate(pem).fingerprint256.replaceAll(':', '').toLowerCase()),
  expired,
  remoteAddress: '192.0.2.1',
})

const approved = (answer: EnrolmentDecision) => {
  assert.equal(answer.state, 'approved')
  return answer as EnrolmentDecision & { state: 'approved' }
}

onEveryDatabase('a device with a token gets its certificate, and the same device when it asks again', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const key = await makeDeviceKey()
    const first = approved(await site.enrol(key, bundle.token))
    const again = approved(await site.enrol(key, bundle.token))
    assert.equal(again.deviceId, first.deviceId)
    assert.notEqual(again.certificate, first.certificate)
    assert.deepEqual(again.trust, trust)
    for (const { certificate } of [first, again])
      assert.equal((await site.requireDevice(callerWith(first.deviceId, certificate))).sealKey, 'c2VhbA==')
    await assert.rejects(site.enrol(await makeDeviceKey(), bundle.token), withCode('ENROLMENT_TOKEN_REFUSED'))
    assert.equal((await site.devices.list()).items.length, 1)
  })
})

onEveryDatabase('SEC-03: fifty at once with one single-use token, and exactly one gets in', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const keys = await Promise.all(Array.from({ length: 50 }, () => makeDeviceKey()))
    const results = await Promise.allSettled(keys.map((key) => site.enrol(key, bundle.token)))
    const admitted = results.filter((result) => result.status === 'fulfilled')
    assert.equal(admitted.length, 1)
    for (const result of results)
      if (result.status === 'rejected') assert.ok(withCode('ENROLMENT_TOKEN_REFUSED')(result.reason), result.reason)
    assert.equal((await site.devices.list()).items.length, 1)
    const { used } = await db.selectFrom('enrolment_tokens').select('used').executeTakeFirstOrThrow()
    assert.equal(used, 1)
  })
})

onEveryDatabase('one device that asks ten times at once with its single-use token is one device', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const key = await makeDeviceKey()
    const answers = await Promise.all(Array.from({ length: 10 }, () => site.enrol(key, bundle.token)))
    assert.equal(new Set(answers.map((answer) => approved(answer).deviceId)).size, 1)
    assert.equal((await site.devices.list()).items.length, 1)
  })
})

onEveryDatabase(
  'a counted token lets in as many as it says; a late, blocked or invented one nobody (SEC-04)',
  async (db) => {
    await withSite(db, async (site) => {
      const counted = await site.devices.createToken({ uses: 3 })
      for (let i = 0; i < 3; i++) approved(await site.enrol(await makeDeviceKey(), counted.bundle.token))
      const late = await site.devices.createToken({ uses: 5, lifeMs: 60_000 })
      const blocked = await site.devices.createToken({ uses: 5 })
      assert.equal((await site.devices.blockToken(blocked.id)).state, 'blocked')
      site.clock.advance(60_000)
      for (const token of [counted.bundle.token, late.bundle.token, blocked.bundle.token, 'invented'])
        await assert.rejects(site.enrol(await makeDeviceKey(), token), withCode('ENROLMENT_TOKEN_REFUSED'))
      assert.equal((await site.devices.list()).items.length, 3)
    })
  },
)

onEveryDatabase('the token itself is nowhere in the database', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const rows = await db.selectFrom('enrolment_tokens').selectAll().execute()
    assert.ok(bundle.token !== undefined && bundle.token.length >= 43)
    assert.ok(!JSON.stringify(rows).includes(bundle.token))
  })
})

onEveryDatabase('without a token a device waits until its fingerprint is approved', async (db) => {
  await withSite(db, async (site) => {
    const key = await makeDeviceKey()
    const pending = await site.enrol(key)
    assert.equal(pending.state, 'pending')
    assert.ok(pending.state === 'pending')
    assert.deepEqual(Object.keys(pending).toSorted(), ['deviceId', 'fingerprint', 'retryAfterMs', 'state'])
    await assert.rejects(site.devices.approve(pending.deviceId, Sha256.parse('f'.repeat(64))), withCode('CONFLICT'))
    assert.equal((await site.enrol(key)).state, 'pending')
    assert.equal((await site.devices.approve(pending.deviceId, pending.fingerprint)).state, 'approved')
    assert.equal(approved(await site.enrol(key)).deviceId, pending.deviceId)
  })
})

onEveryDatabase('a pending device that comes back with a token is approved by it', async (db) => {
  await withSite(db, async (site) => {
    const key = await makeDeviceKey()
    const pending = await site.enrol(key)
    const { bundle } = await site.devices.createToken({ uses: 1 })
    assert.equal(approved(await site.enrol(key, bundle.token)).deviceId, pending.deviceId)
  })
})

onEveryDatabase('whoever repeats a request with another seal key is refused', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const key = await makeDeviceKey()
    approved(await site.enrol(key, bundle.token))
    await assert.rejects(site.enrol(key, bundle.token, 'b3RoZXI='), withCode('KEY_OF_ANOTHER_DEVICE'))
  })
})

onEveryDatabase('the site itself looks who asks, whatever a gateway says', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 2 })
    const one = approved(await site.enrol(await makeDeviceKey(), bundle.token))
    const two = approved(await site.enrol(await makeDeviceKey(), bundle.token))
    const anonymous: Caller = { identity: 'anonymous', remoteAddress: '192.0.2.1' }
    await assert.rejects(site.requireDevice(anonymous), withCode('NOT_AUTHENTICATED'))
    const stranger = { ...callerWith(one.deviceId, one.certificate), certificate: Sha256.parse('a'.repeat(64)) }
    await assert.rejects(site.requireDevice(stranger as Caller), withCode('DEVICE_UNKNOWN'))
    await assert.rejects(site.requireDevice(callerWith(two.deviceId, one.certificate)), withCode('DEVICE_UNKNOWN'))
    await db.updateTable('devices').set({ state: 'pending' }).where('id', '=', two.deviceId).execute()
    await assert.rejects(site.requireDevice(callerWith(two.deviceId, two.certificate)), withCode('DEVICE_PENDING'))
    await assert.rejects(
      site.requireDevice(callerWith(one.deviceId, one.certificate, true)),
      withCode('CERTIFICATE_EXPIRED'),
    )
  })
})

onEveryDatabase('an expired certificate reaches renewal only, and for 90 days', async (db) => {
  await withSite(db, async (site) => {
    const { bundle } = await site.devices.createToken({ uses: 1 })
    const key = await makeDeviceKey()
    const { deviceId, certificate } = approved(await site.enrol(key, bundle.token))
    site.clock.advance(31 * DAY_MS)
    const caller = callerWith(deviceId, certificate, true)
    await assert.rejects(site.requireDevice(caller), withCode('CERTIFICATE_EXPIRED'))
    await assert.rejects(site.renew(await makeDeviceKey(), caller), withCode('KEY_OF_ANOTHER_DEVICE'))
    const renewed = callerWith(deviceId, await site.renew(key, caller))
    assert.equal((await site.requireDevice(renewed)).id, deviceId)
    site.clock.advance(121 * DAY_MS)
    await assert.rejects(site.renew(key, renewed), withCode('CERTIFICATE_EXPIRED'))
  })
})

onEveryDatabase(
  'a revoked device gets nothing any more, and its valid certificates are told to the gateways',
  async (db) => {
    await withSite(db, async (site) => {
      const { bundle } = await site.devices.createToken({ uses: 1 })
      const key = await makeDeviceKey()
      const { deviceId, certificate } = approved(await site.enrol(key, bundle.token))
      site.clock.advance(31 * DAY_MS)
      const second = await site.renew(key, callerWith(deviceId, certificate, true))
      const caller = callerWith(deviceId, second)
      assert.equal((await site.devices.revoke(deviceId)).state, 'revoked')
      assert.ok(caller.identity === 'device')
      assert.deepEqual(site.revoked, [caller.certificate])
      assert.deepEqual(await site.devices.revokedCertificates(), [caller.certificate])
      await assert.rejects(site.requireDevice(caller), withCode('CERTIFICATE_REVOKED'))
      await assert.rejects(site.renew(key, caller), withCode('CERTIFICATE_REVOKED'))
      const another = await site.devices.createToken({ uses: 1 })
      await assert.rejects(site.enrol(key, another.bundle.token), withCode('CERTIFICATE_REVOKED'))
      const info = await site.devices.get(deviceId)
      await assert.rejects(site.devices.approve(deviceId, info.fingerprint), withCode('CONFLICT'))
      site.clock.advance(31 * DAY_MS)
      assert.deepEqual(await site.devices.revokedCertificates(), [])
    })
  },
)

onEveryDatabase('the site remembers when and where a device was seen, and what it said about itself', async (db) => {
  await withSite(db, async (site) => {
    const pending = await site.enrol(await makeDeviceKey())
    await site.devices.saw(pending.deviceId, { gatewayId, facts: { ...facts, model: 'Model 9' }, agent })
    const seen = await site.devices.get(pending.deviceId)
    assert.equal(seen.facts.model, 'Model 9')
    assert.equal(seen.lastGatewayId, gatewayId)
    assert.equal(seen.lastSeenAt, new Date(site.clock.now()).toISOString())
    // A second poll with nothing new is not worth a write.
    site.clock.advance(5_000)
    await site.devices.saw(pending.deviceId, { gatewayId, facts: { ...facts, model: 'Model 9' }, agent })
    assert.deepEqual(await site.devices.get(pending.deviceId), seen)
  })
})

onEveryDatabase(
  'tokens are listed with what they let in; a blocked one stays blocked, and says since when',
  async (db) => {
    await withSite(db, async (site) => {
      const used = await site.devices.createToken({ uses: 1 })
      const { deviceId } = approved(await site.enrol(await makeDeviceKey(), used.bundle.token))
      site.clock.advance(1)
      const open = await site.devices.createToken({ uses: 2, lifeMs: 3600_000 })
      approved(await site.enrol(await makeDeviceKey(), open.bundle.token))
      const [second, first] = (await site.devices.tokens()).items
      assert.deepEqual([first?.id, first?.state, first?.used, first?.uses], [used.id, 'usedUp', 1, 1])
      assert.deepEqual(
        first?.devices.map((one) => one.deviceId),
        [deviceId],
      )
      assert.deepEqual([second?.id, second?.state, second?.used, second?.uses], [open.id, 'open', 1, 2])
      assert.ok(!JSON.stringify([first, second]).includes(open.bundle.token ?? 'no token'))

      const blocked = await site.devices.blockToken(open.id)
      await assert.rejects(site.enrol(await makeDeviceKey(), open.bundle.token), withCode('ENROLMENT_TOKEN_REFUSED'))
      site.clock.advance(2 * 3600_000)
      assert.deepEqual(await site.devices.blockToken(open.id), blocked)
      assert.deepEqual(
        (await site.devices.tokens()).items.map((one) => one.state),
        ['blocked', 'usedUp'],
      )
      await assert.rejects(site.devices.blockToken(newId('tok', TokenId)), withCode('NOT_FOUND'))
    })
  },
)

onEveryDatabase('only a device that waits can be deleted; when it asks again it waits again', async (db) => {
  await withSite(db, async (site) => {
    assert.equal((await site.devices.bundle()).token, undefined)
    const key = await makeDeviceKey()
    const { deviceId } = await site.enrol(key)
    await site.devices.delete(deviceId)
    assert.deepEqual((await site.devices.list()).items, [])
    const again = await site.enrol(key)
    assert.ok(again.state === 'pending')
    assert.notEqual(again.deviceId, deviceId)
    await site.devices.approve(again.deviceId, again.fingerprint)
    await assert.rejects(site.devices.delete(again.deviceId), withCode('CONFLICT'))
    await site.devices.revoke(again.deviceId)
    await assert.rejects(site.devices.delete(again.deviceId), withCode('CONFLICT'), 'or its key could come again')
  })
})

onEveryDatabase(
  'a thousand registrations without a token: all wait, none gets anything, and others get in',
  async (db) => {
    await withSite(db, async (site) => {
      const { bundle } = await site.devices.createToken({ uses: 1 })
      const keys = await Promise.all(Array.from({ length: 1_000 }, () => makeDeviceKey()))
      const flood = { address: '198.51.100.7' }
      const answers = await Promise.all(keys.map((key) => site.enrol(key, undefined, undefined, flood)))
      for (const answer of answers) assert.deepEqual(Object.keys(answer).toSorted(), PENDING_FIELDS)
      assert.equal((await db.selectFrom('device_certificates').selectAll().execute()).length, 0)
      for (const table of ['policy_bodies', 'token_uses', 'device_conflicts'] as const)
        assert.equal((await db.selectFrom(table).selectAll().execute()).length, 0, table)

      // In the middle of it one comes with a token, and one that waits like a good one.
      approved(await site.enrol(await makeDeviceKey(), bundle.token, undefined, flood))
      const good = await makeDeviceKey()
      const waiting = await site.enrol(good)
      const more = await Promise.all(Array.from({ length: 300 }, () => makeDeviceKey()))
      for (const key of more) await site.enrol(key, undefined, undefined, flood)
      const { total } = await site.devices.list({ state: 'pending', total: true })
      assert.equal(total, 1_200, 'no more than the bound')
      assert.equal((await site.devices.get(waiting.deviceId)).state, 'pending', 'the flood made room of its own')
      assert.ok(waiting.state === 'pending')
      await site.devices.approve(waiting.deviceId, waiting.fingerprint)
      approved(await site.enrol(good))
    })
  },
)
