/** Devices that come by a sign-in of their user, at a real OpenID provider on loopback. */
import assert from 'node:assert/strict'
import { after, before, mock, test } from 'node:test'
import {
  EnrolmentAnswer,
  type EnrolmentSignInSet,
  EnrolmentSignInSet as EnrolmentSignInSetSchema,
  GatewayId,
  Sha256,
  SignInAnswer,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { newId } from '../identity/new-id.ts'
import { createOrganisation } from '../identity/organisation.ts'
import { openSiteIdentity } from '../identity/site-identity.ts'
import { CLIENT_SECRET, startProvider, type TestProvider } from '../identity/testing/open-id-provider.ts'
import { silentLog } from '../log.ts'
import { FACTS_COUNTER } from '../policy/facts-revision.ts'
import { createVault } from '../secrets/vault.ts'
import { type DeviceKey, makeDeviceKey } from '../testing/device-key.ts'
import { someAgent, someFacts } from '../testing/enrolled-device.ts'
import { inFolder } from '../testing/in-folder.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { reasonOf } from '../testing/refusal.ts'
import { createAdmission } from './admission.ts'
import { createDevices } from './devices.ts'
import { createEnrolment } from './enrolment.ts'
import { createSignIns } from './sign-in.ts'
import { createSignInSettings } from './sign-in-settings.ts'

const people = {
  anna: { email: 'Anna@Contoso.example', email_verified: true, name: 'Anna', groups: ['laptops'] },
  eve: { email: 'eve@contoso.example', email_verified: false, name: 'Eve' },
  otto: { email: 'otto@fabrikam.example', email_verified: true, name: 'Otto', groups: ['laptops'] },
}
let provider: TestProvider
before(async () => {
  provider = await startProvider(people)
})
after(() => {
  provider.close()
})

const settings = (more: Partial<EnrolmentSignInSet> = {}) =>
  EnrolmentSignInSetSchema.parse({
    ...{ registration: 'automatic', issuer: provider.issuer, clientId: 'sluice-devices', clientSecret: CLIENT_SECRET },
    ...{ domains: ['contoso.example'], groups: [], groupsClaim: 'groups', scopes: ['email', 'profile'], ...more },
  })

async function withSite(db: Kysely<Database>, body: (site: Awaited<ReturnType<typeof makeSite>>) => Promise<void>) {
  await inFolder('site-sign-in', async (folder) => await body(await makeSite(db, folder)))
}

async function makeSite(db: Kysely<Database>, folder: string) {
  const clock = createManualClock(Date.now())
  const base = { db, clock, log: silentLog }
  const identity = await openSiteIdentity({ ...base, folder })
  const vault = createVault(new Uint8Array(32))
  const signInSettings = createSignInSettings({ db, vault })
  const devices = createDevices({
    ...{ ...base, identity, gateways: async () => [], onRevoked: () => {} },
    catalogueRootHash: async () => Sha256.parse('0'.repeat(64)),
  })
  const trust = { siteId: identity.siteId, policyKeys: [{ keyid: 'k', publicKey: 'AAAA' }], catalogueRoot: '{}' }
  const handlers = createEnrolment({
    ...{ ...base, identity, requireDevice: createAdmission(base), trust: async () => trust as SiteTrust },
    organisation: createOrganisation({ ...base, siteId: identity.siteId, revoke: devices.revoke }),
    onCertificates: () => {},
    signIns: createSignIns({ ...base, vault, settings: signInSettings }),
  })
  const from = (remoteAddress: string) => ({
    caller: { identity: 'anonymous', remoteAddress } as const,
    gateway: { gatewayId: newId('gw', GatewayId), kind: 'internet' } as const,
    parameters: {},
    signal: new AbortController().signal,
  })
  return {
    ...{ clock, devices, signInSettings },
    async begin(key: DeviceKey, address = '192.0.2.1') {
      const { body } = await handlers.signIn({ ...from(address), body: { csr: await key.request() } })
      return SignInAnswer.parse(body)
    },
    /** Asks once, as late as it was told to. */
    async ask(key: DeviceKey, signIn: string) {
      clock.advance(60_000)
      const body = { csr: await key.request(), sealKey: 'c2VhbA==', facts: someFacts, agent: someAgent, signIn }
      return EnrolmentAnswer.parse((await handlers.enrol({ ...from('192.0.2.1'), body })).body)
    },
  }
}

onEveryDatabase('who signs in lets the device in, and is remembered with it', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask, devices }) => {
    const key = await makeDeviceKey()
    assert.match(await reasonOf(begin(key)), /^DEVICE_SIGN_IN_REFUSED: This site lets no device in by a sign-in/)
    assert.deepEqual((await signInSettings.set(settings())).hasSecret, true)

    const begun = await begin(key)
    assert.ok(begun.verificationUri.startsWith(provider.issuer) && begun.userCode.length >= 8)
    assert.equal((await ask(key, begun.handle)).state, 'signingIn')
    assert.deepEqual((await devices.list()).items, [], 'nothing is kept of a device before somebody signed in')
    await provider.signIn(begun.verificationUriComplete ?? '', 'anna')
    const answer = await ask(key, begun.handle)
    assert.ok(answer.state === 'approved')
    const [device] = (await devices.list()).items
    assert.deepEqual(
      [device?.id, device?.state, device?.user?.subject, device?.user?.email, device?.user?.name],
      [answer.deviceId, 'approved', 'anna', 'Anna@Contoso.example', 'Anna'],
    )

    // A lost answer costs nothing; a handle in other hands is worth nothing.
    const again = await ask(key, begun.handle)
    assert.ok(again.state === 'approved' && again.deviceId === answer.deviceId)
    assert.match(
      await reasonOf(ask(await makeDeviceKey(), begun.handle)),
      /^DEVICE_SIGN_IN_REFUSED.*another device key/,
    )
    assert.equal((await devices.list()).items.length, 1)
    const kept = JSON.stringify(await db.selectFrom('sign_ins').selectAll().execute())
    assert.ok(!kept.includes(begun.handle), 'the handle is kept as a hash')
  })
})

onEveryDatabase('where the settings say so, who signed in still waits for an administrator', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask, devices }) => {
    await signInSettings.set(settings({ registration: 'pending' }))
    const key = await makeDeviceKey()
    const begun = await begin(key)
    await provider.signIn(begun.verificationUriComplete ?? '', 'anna')
    const answer = await ask(key, begun.handle)
    assert.ok(answer.state === 'pending')
    assert.equal((await devices.get(answer.deviceId)).user?.subject, 'anna')
    await devices.approve(answer.deviceId, answer.fingerprint)
    assert.equal((await ask(key, begun.handle)).state, 'approved')
  })
})

onEveryDatabase('who signed in under other rules than those of now lets nobody in', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask }) => {
    await signInSettings.set(settings({ registration: 'pending' }))
    const key = await makeDeviceKey()
    const { handle, verificationUriComplete } = await begin(key)
    await provider.signIn(verificationUriComplete ?? '', 'anna')
    assert.equal((await ask(key, handle)).state, 'pending')
    await signInSettings.set(settings({ domains: ['fabrikam.example'] }))
    assert.match(await reasonOf(ask(key, handle)), /^DEVICE_SIGN_IN_REFUSED: What lets devices in/)
  })
})

onEveryDatabase('who says no, is late, has no verified address or is in no group lets nobody in', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask, devices, clock }) => {
    const outcome = async (subject: keyof typeof people, how: 'agree' | 'deny' = 'agree') => {
      const key = await makeDeviceKey()
      const begun = await begin(key)
      await provider.signIn(begun.verificationUriComplete ?? '', subject, how)
      const first = await reasonOf(ask(key, begun.handle))
      assert.equal(await reasonOf(ask(key, begun.handle)), first, 'asking again gives the same')
      return first
    }
    await signInSettings.set(settings())
    assert.match(await outcome('anna', 'deny'), /^DEVICE_SIGN_IN_REFUSED: The person at the provider said no/)
    assert.match(await outcome('eve'), /^DEVICE_SIGN_IN_REFUSED: The address/, 'an address that is not verified')
    assert.match(await outcome('otto'), /^DEVICE_SIGN_IN_REFUSED: The address/, 'another domain')
    await signInSettings.set(settings({ domains: ['*'], groups: ['servers'] }))
    assert.match(await outcome('anna'), /^DEVICE_SIGN_IN_REFUSED: Who signed in is in no group/)
    await signInSettings.set(settings({ domains: [], groups: ['laptops'] }))
    assert.equal(await outcome('otto'), 'done')
    assert.equal((await devices.list()).items.length, 1)

    const key = await makeDeviceKey()
    const late = await begin(key)
    clock.advance(31 * 60_000)
    assert.match(await reasonOf(ask(key, late.handle)), /^DEVICE_SIGN_IN_REFUSED.*over/)
    const off = await begin(key)
    await signInSettings.set(settings({ registration: 'off' }))
    assert.match(await reasonOf(ask(key, off.handle)), /^DEVICE_SIGN_IN_REFUSED: This site/, 'turned off meanwhile')
  })
})

onEveryDatabase('what strangers begin makes nobody build policy anew', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask }) => {
    await signInSettings.set(settings())
    const raised = async () =>
      (await db.selectFrom('counters').select('value').where('name', '=', FACTS_COUNTER).executeTakeFirst())?.value
    const before = await raised()
    const key = await makeDeviceKey()
    const { handle, verificationUriComplete } = await begin(key)
    await ask(key, handle)
    await provider.signIn(verificationUriComplete ?? '', 'anna')
    assert.equal((await ask(key, handle)).state, 'approved')
    assert.equal(await raised(), before)
  })
})

onEveryDatabase('the provider says itself when a code is over', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask }) => {
    await signInSettings.set(settings())
    const key = await makeDeviceKey()
    const begun = await begin(key)
    // Its clock goes an hour ahead; that of the site does not.
    mock.timers.enable({ apis: ['Date'], now: Date.now() + 3600_000 })
    try {
      assert.match(await reasonOf(ask(key, begun.handle)), /^DEVICE_SIGN_IN_REFUSED: Nobody signed in in time/)
    } finally {
      mock.timers.reset()
    }
  })
})

onEveryDatabase('few sign-ins go on at once, fewer from one address, and one of each key', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask, clock }) => {
    await signInSettings.set(settings())
    const key = await makeDeviceKey()
    const first = await begin(key)
    const second = await begin(key)
    assert.match(await reasonOf(ask(key, first.handle)), /^DEVICE_SIGN_IN_REFUSED/)
    assert.equal((await ask(key, second.handle)).state, 'signingIn')
    for (let i = 1; i < 20; i++) await begin(await makeDeviceKey())
    assert.match(await reasonOf(begin(await makeDeviceKey())), /^BUSY/)
    assert.equal(await reasonOf(begin(await makeDeviceKey(), '192.0.2.2')), 'done', 'others go on')
    clock.advance(31 * 60_000)
    assert.equal(await reasonOf(begin(await makeDeviceKey())), 'done', 'what is over makes room')
    const keys = await Promise.all(Array.from({ length: 25 }, () => makeDeviceKey()))
    const atOnce = await Promise.all(keys.map((one) => reasonOf(begin(one))))
    assert.equal(atOnce.filter((one) => one === 'done').length, 19, 'those who come at once are counted too')
  })
})

onEveryDatabase('the provider is asked by one of all who ask at once', async (db) => {
  await withSite(db, async ({ signInSettings, begin, ask }) => {
    await signInSettings.set(settings())
    const key = await makeDeviceKey()
    const begun = await begin(key)
    await provider.signIn(begun.verificationUriComplete ?? '', 'anna')
    const states = (await Promise.all(Array.from({ length: 5 }, () => ask(key, begun.handle)))).map((one) => one.state)
    assert.ok(states.includes('approved'))
    const last = await ask(key, begun.handle)
    assert.equal(last.state, 'approved')
  })
})

onEveryDatabase('a provider that is down says nothing of itself to strangers', async (db) => {
  await withSite(db, async ({ signInSettings, begin }) => {
    await signInSettings.set(settings({ issuer: 'http://127.0.0.1:9' }))
    assert.equal(await reasonOf(begin(await makeDeviceKey())), 'BUSY: Nobody can sign in just now.')
    assert.equal((await db.selectFrom('sign_ins').selectAll().execute()).length, 0, 'it takes no place')
  })
})

onEveryDatabase('a client secret goes to nobody but whom it was given for, and is never shown', async (db) => {
  await withSite(db, async ({ signInSettings }) => {
    await signInSettings.set(settings())
    const { clientSecret: _, ...unsaid } = settings()
    assert.equal((await signInSettings.set(unsaid)).hasSecret, true, 'kept when nothing is said of it')
    assert.equal(await signInSettings.clientSecret(), CLIENT_SECRET)
    const moved = await signInSettings.set({ ...unsaid, issuer: 'https://id.other.example' })
    assert.equal(moved.hasSecret, false)
    await signInSettings.set(settings())
    assert.equal((await signInSettings.set({ ...unsaid, clientSecret: null })).hasSecret, false)
    const stored = JSON.stringify([
      await signInSettings.get(),
      await db.selectFrom('enrolment_sign_in').selectAll().execute(),
    ])
    assert.ok(!stored.includes(CLIENT_SECRET))
  })
})

test('settings that would let everybody in by accident are refused', () => {
  const read = (more: object) => EnrolmentSignInSetSchema.safeParse({ ...settings(), ...more }).success
  assert.equal(read({ domains: [], groups: [] }), false, 'nobody named')
  assert.equal(read({ domains: ['*'] }), true, 'everybody, and said so')
  assert.equal(read({ issuer: 'http://id.contoso.example' }), false, 'in the clear')
  assert.equal(read({ issuer: undefined }), false)
})
