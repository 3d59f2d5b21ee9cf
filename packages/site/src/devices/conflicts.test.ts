/** Computers that come again with a new key, and computers that use one identity twice. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import {
  type Caller,
  type DeviceFacts,
  type DeviceId,
  type EnrolmentAnswer,
  EnrolmentAnswer as EnrolmentAnswerSchema,
  GatewayId,
  type PolicyRequest,
  Sha256,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { createCollections } from '../collections/collections.ts'
import { effectiveVariables } from '../collections/effective-variables.ts'
import { createVariableStore, variablePurpose } from '../collections/variables.ts'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { newId } from '../identity/new-id.ts'
import { createOrganisation } from '../identity/organisation.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { silentLog } from '../log.ts'
import { createVault } from '../secrets/vault.ts'
import { createStatus } from '../status/status.ts'
import { type DeviceKey, makeDeviceKey } from '../testing/device-key.ts'
import { someAgent as agent, someFacts } from '../testing/enrolled-device.ts'
import { inFolder } from '../testing/in-folder.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { codeOf } from '../testing/refusal.ts'
import { createAdmission } from './admission.ts'
import { createConflicts, hardwareOf, judgeLife } from './conflicts.ts'
import { createDevices } from './devices.ts'
import { createEnrolment } from './enrolment.ts'
import { createSignIns } from './sign-in.ts'
import { createSignInSettings } from './sign-in-settings.ts'

const gatewayId = newId('gw', GatewayId)
const LAPTOP: DeviceFacts = { ...someFacts, hardwareUuid: '4C4C4544-0042-3510-8052-B4C04F303132' }
const OTHER: DeviceFacts = { ...someFacts, hardwareUuid: '4C4C4544-0042-3510-8052-B4C04F303133' }

async function withSite(db: Kysely<Database>, body: (site: Awaited<ReturnType<typeof makeSite>>) => Promise<void>) {
  await inFolder('site-conflicts', async (folder) => await body(await makeSite(db, folder)))
}

async function makeSite(db: Kysely<Database>, folder: string) {
  const clock = createManualClock()
  const base = { db, clock, log: silentLog }
  const identity = await openSiteIdentity({ ...base, folder })
  const vault = createVault(new Uint8Array(32))
  const requireDevice = createAdmission(base)
  const told = { certificates: 0, inherited: [] as DeviceId[] }
  const onInherited = (id: DeviceId) => void told.inherited.push(id)
  const onCertificates = () => {
    told.certificates++
  }
  const collections = createCollections({ ...base, onMembersChanged: () => {} })
  const conflicts = createConflicts({ ...base, vault, revoke: (id) => devices.revoke(id), onCertificates, onInherited })
  const devices = createDevices({
    ...{ ...base, identity, conflicts, onRevoked: () => {} },
    gateways: async () => [
      {
        ...{ gatewayId, name: 'edge', kind: 'internet', deviceUrl: 'https://gateway.example' },
        enrolmentUrl: 'https://gateway.example:8443',
      },
    ],
    catalogueRootHash: async () => Sha256.parse('0'.repeat(64)),
  })
  const trust = { siteId: identity.siteId, policyKeys: [{ keyid: 'k', publicKey: 'AAAA' }], catalogueRoot: '{}' }
  const handlers = createEnrolment({
    ...{ ...base, identity, requireDevice, onCertificates, trust: async () => trust as SiteTrust },
    organisation: createOrganisation({ ...base, siteId: identity.siteId, revoke: devices.revoke }),
    signIns: createSignIns({ ...base, vault, settings: createSignInSettings({ db, vault }) }),
  })
  const status = createStatus({ ...base, requireDevice, listeners: [] })
  const relayed = {
    gateway: { gatewayId, kind: 'internet' as const },
    parameters: {},
    signal: new AbortController().signal,
  }
  const token = async () => (await devices.createToken({ uses: 1 })).bundle.token
  return {
    ...{
      clock,
      conflicts,
      devices,
      requireDevice,
      token,
      told,
      vault,
      collections,
      variables: createVariableStore({
        ...{ db, vault, clock, onCollection: () => {}, onDevice: () => {} },
        collectionId: async (idOrName) => (await collections.find(idOrName)).id,
      }),
    },
    async enrol(key: DeviceKey, facts: DeviceFacts, proof?: string) {
      const answer = await handlers.enrol({
        ...relayed,
        caller: { identity: 'anonymous', remoteAddress: '192.0.2.1' },
        body: { csr: await key.request(), sealKey: 'c2VhbA==', facts, agent, ...(proof ? { token: proof } : {}) },
      })
      const parsed: EnrolmentAnswer = EnrolmentAnswerSchema.parse(answer.body)
      assert.ok(parsed.state !== 'signingIn')
      return parsed
    },
    /** What a question for policy does, as far as it is about who asks. */
    async poll(caller: Caller, facts: DeviceFacts, life?: PolicyRequest['life']) {
      const device = await requireDevice(caller)
      await devices.saw(device.id, { gatewayId, facts, agent, life }, device.remembered)
    },
    async report(caller: Caller, seq: number) {
      const event = { kind: 'restarting', runId: 'run_0123456789', deploymentId: 'dep_0123456789', message: `${seq}` }
      const messages = [{ bootId: 'one-boot', seq, at: new Date(clock.now()).toISOString(), event }]
      await status.handler({ ...relayed, caller, body: { messages } as never })
    },
  }
}

const callerOf = (answer: EnrolmentAnswer): Caller => {
  assert.ok(answer.state === 'approved', JSON.stringify(answer))
  const certificate = new X509Certificate(answer.certificate).fingerprint256.replaceAll(':', '').toLowerCase()
  return {
    ...{ identity: 'device', deviceId: answer.deviceId, expired: false, remoteAddress: '192.0.2.1' },
    certificate: Sha256.parse(certificate),
  }
}

onEveryDatabase('who comes again with proof takes the record over: name, collections and history stay', async (db) => {
  await withSite(db, async ({ conflicts, devices, enrol, token, requireDevice, collections, report, told }) => {
    await conflicts.setRule({ rule: 'merge' })
    const before = await makeDeviceKey()
    const first = await enrol(before, LAPTOP, await token())
    const old = callerOf(first)
    const { id: pilot } = await collections.create('Pilot')
    await collections.setMembers(pilot, [first.deviceId])
    await report(old, 1)

    // It was installed anew: another key, the same hardware, and it says so in other letters.
    const after = await makeDeviceKey()
    const again = await enrol(
      after,
      { ...LAPTOP, hardwareUuid: LAPTOP.hardwareUuid?.toLowerCase() ?? '' },
      await token(),
    )
    const now = callerOf(again)
    assert.equal(again.deviceId, first.deviceId)
    assert.equal((await devices.list()).items.length, 1)
    assert.deepEqual((await collections.list())[0]?.members, [first.deviceId])
    assert.equal(await codeOf(requireDevice(now)), 'done')
    assert.equal(await codeOf(requireDevice(old)), 'CERTIFICATE_REVOKED')
    assert.equal(told.certificates, 1)
    assert.equal((await devices.revokedCertificates()).length, 1)
    assert.equal(await codeOf(enrol(before, LAPTOP, await token())), 'CERTIFICATE_REVOKED', 'the key before is dead')

    // In the same boot it counts its messages from one again: they are new ones.
    await report(now, 1)
    assert.equal((await db.selectFrom('status_messages').selectAll().execute()).length, 2)
    assert.deepEqual((await conflicts.list()).items, [])
  })
})

onEveryDatabase(
  'by default a reinstalled computer works at once, and an administrator says which it is',
  async (db) => {
    await withSite(db, async ({ conflicts, enrol, token, requireDevice, collections, variables, vault, told }) => {
      assert.deepEqual(await conflicts.rule(), { rule: 'ask' })
      const come = async (withProof: boolean) => {
        const key = await makeDeviceKey()
        const answer = await enrol(key, LAPTOP, withProof ? await token() : undefined)
        return { key, answer, id: answer.deviceId }
      }
      const first = await come(true)
      const { id: pilot } = await collections.create('Pilot')
      await collections.setMembers(pilot, [first.id])
      await variables.setForDevice(first.id, { name: 'Room', value: '12', masked: false })
      await variables.setForDevice(first.id, { name: 'Pin', value: '4711', masked: true })

      const second = await come(true)
      assert.equal(await codeOf(requireDevice(callerOf(second.answer))), 'done')
      assert.notEqual(second.id, first.id)
      assert.deepEqual((await variables.ofDevice(second.id)).variables, [], 'it has nothing of the other')
      const [conflict] = (await conflicts.list()).items
      assert.deepEqual(
        [conflict?.deviceId, conflict?.kind, conflict?.other?.deviceId],
        [second.id, 'reenrolled', first.id],
      )

      assert.equal(await conflicts.resolve(second.id, 'merge'), second.id)
      assert.deepEqual(told.inherited, [second.id])
      assert.equal(await codeOf(requireDevice(callerOf(second.answer))), 'done', 'it goes on as it is')
      assert.equal(await codeOf(requireDevice(callerOf(first.answer))), 'CERTIFICATE_REVOKED')
      assert.ok((await collections.find(pilot)).members.includes(second.id))
      const inherited = (await effectiveVariables(db, second.id)).map(({ name, key, value, sealed }) => [
        name,
        sealed === null ? value : vault.open(variablePurpose({ device_id: second.id }, key), sealed),
      ])
      assert.deepEqual(inherited, [
        ['Pin', '4711'],
        ['Room', '12'],
      ])

      const third = await come(true)
      assert.equal(await conflicts.resolve(third.id, 'new'), third.id)
      const fourth = await come(true)
      await conflicts.resolve(fourth.id, 'block')
      assert.equal(await codeOf(requireDevice(callerOf(fourth.answer))), 'CERTIFICATE_REVOKED')
      assert.deepEqual((await conflicts.list()).items, [])
      assert.equal(await codeOf(conflicts.resolve(fourth.id, 'merge')), 'NOT_FOUND')
    })
  },
)

onEveryDatabase('without proof it waits, and takes the record over where an administrator says so', async (db) => {
  await withSite(db, async ({ conflicts, devices, enrol, token }) => {
    const first = await enrol(await makeDeviceKey(), LAPTOP, await token())
    const key = await makeDeviceKey()
    const waiting = await enrol(key, LAPTOP)
    assert.equal(waiting.state, 'pending')
    const { fingerprint } = await devices.get(waiting.deviceId)
    assert.equal(await codeOf(devices.approve(waiting.deviceId, fingerprint)), 'CONFLICT')
    assert.equal(await conflicts.resolve(waiting.deviceId, 'merge'), first.deviceId)
    const merged = await enrol(key, LAPTOP)
    assert.ok(merged.state === 'approved' && merged.deviceId === first.deviceId)
    assert.equal((await devices.list()).items.length, 1)
  })
})

onEveryDatabase('hardware alone lets nobody in, whatever the rule', async (db) => {
  await withSite(db, async ({ conflicts, devices, enrol, token, requireDevice }) => {
    const victim = await enrol(await makeDeviceKey(), LAPTOP, await token())
    for (const rule of ['merge', 'ask', 'new'] as const) {
      await conflicts.setRule({ rule })
      assert.equal((await enrol(await makeDeviceKey(), LAPTOP)).state, 'pending', rule)
    }
    assert.equal(await codeOf(requireDevice(callerOf(victim))), 'done')
    // Two that are approved with the same hardware: which one is meant is not sure, so neither is taken over.
    await conflicts.setRule({ rule: 'new' })
    callerOf(await enrol(await makeDeviceKey(), LAPTOP, await token()))
    await conflicts.setRule({ rule: 'merge' })
    const { deviceId } = await enrol(await makeDeviceKey(), LAPTOP, await token())
    assert.ok((await conflicts.list()).items.some((open) => open.deviceId === deviceId))
    assert.equal((await devices.list()).items.filter(({ state }) => state === 'approved').length, 3)
  })
})

onEveryDatabase(
  'a state folder that runs on other hardware is shut out, until an administrator decides',
  async (db) => {
    await withSite(db, async ({ conflicts, devices, enrol, token, requireDevice, poll, told }) => {
      const key = await makeDeviceKey()
      const caller = callerOf(await enrol(key, LAPTOP, await token()))
      const { deviceId: id } = caller as { deviceId: DeviceId }
      await poll(caller, LAPTOP)
      assert.equal(await codeOf(poll(caller, OTHER)), 'DEVICE_BLOCKED')
      assert.equal(await codeOf(requireDevice(caller)), 'DEVICE_BLOCKED', 'both of them')
      assert.equal(told.certificates, 1)
      assert.equal((await devices.revokedCertificates()).length, 1, 'gateways refuse it too')
      assert.equal((await conflicts.list()).items[0]?.kind, 'cloned')
      assert.ok((await devices.get(id)).blockedAt)
      assert.equal(await codeOf(conflicts.resolve(id, 'new')), 'CONFLICT')

      // Its board was replaced: it is one computer after all.
      assert.equal(await conflicts.resolve(id, 'merge'), id)
      assert.equal((await devices.revokedCertificates()).length, 0)
      await poll(caller, OTHER)
      assert.equal(await codeOf(poll(caller, LAPTOP)), 'DEVICE_BLOCKED')
      await conflicts.resolve(id, 'block')
      assert.equal(await codeOf(requireDevice(caller)), 'CERTIFICATE_REVOKED')
    })
  },
)

onEveryDatabase('two agents with one key and no hardware of their own are found by how they count', async (db) => {
  await withSite(db, async ({ enrol, token, poll }) => {
    const caller = callerOf(await enrol(await makeDeviceKey(), someFacts, await token()))
    const ask = (id: string, question: number) => codeOf(poll(caller, someFacts, { id: id.padEnd(8, '0'), question }))
    for (let question = 1; question <= 3; question++) assert.equal(await ask('first', question), 'done')
    assert.equal(await ask('second', 4), 'done', 'it was started again, or copied: nobody knows yet')
    assert.equal(await ask('second', 5), 'done')
    assert.equal(await ask('first', 4), 'DEVICE_BLOCKED')
  })
})

test('restarts, late questions and restored folders are no copies', () => {
  const lives = [
    { id: 'one', first: 1 },
    { id: 'two', first: 10 },
  ]
  assert.equal(judgeLife(lives, { id: 'two', question: 11 }), undefined)
  assert.equal(judgeLife(lives, { id: 'one', question: 9 }), undefined, 'sent before the restart, heard after it')
  assert.equal(judgeLife(lives, { id: 'one', question: 10 }), 'clone')
  const restored = judgeLife(lives, { id: 'three', question: 4 })
  assert.deepEqual(restored, [...lives, { id: 'three', first: 4 }])
  assert.equal(
    judgeLife(restored as typeof lives, { id: 'two', question: 12 }),
    'clone',
    'and the one before still lives',
  )
})

test('what firmware says that was never given a UUID is no hardware', () => {
  for (const hardwareUuid of [
    '',
    'Not Settable',
    '00000000-0000-0000-0000-000000000000',
    'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF',
    '03000200-0400-0500-0006-000700080009',
  ])
    assert.equal(hardwareOf({ ...someFacts, hardwareUuid }), undefined, hardwareUuid)
  assert.equal(hardwareOf(LAPTOP), '4c4c4544-0042-3510-8052-b4c04f303132')
})
