/** Computers that enrol with a certificate of their organisation's PKI: a real root, an intermediate, lists that revoke. */
import assert from 'node:assert/strict'
import { createPrivateKey, sign } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  type Caller,
  EnrolmentAnswer,
  GatewayId,
  OrganisationSettings,
  organisationProofText,
  Sha256,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { type Database, openDatabase } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createAdmission } from '../devices/admission.ts'
import { createDevices } from '../devices/devices.ts'
import { createEnrolment } from '../devices/enrolment.ts'
import { createSignIns } from '../devices/sign-in.ts'
import { createSignInSettings } from '../devices/sign-in-settings.ts'
import { silentLog } from '../log.ts'
import { createVault } from '../secrets/vault.ts'
import { type DeviceKey, makeDeviceKey } from '../testing/device-key.ts'
import { someAgent, someFacts } from '../testing/enrolled-device.ts'
import { inFolder } from '../testing/in-folder.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { reasonOf } from '../testing/refusal.ts'
import { newId } from './new-id.ts'
import { createOrganisation } from './organisation.ts'
import { openSiteIdentity } from './site-identity.ts'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  PemConverter,
  SubjectAlternativeNameExtension,
  X509Certificate,
  X509CertificateGenerator,
  X509CrlGenerator,
} from './x509.ts'

const DAY_MS = 24 * 3600_000
const NOW = Date.parse('2026-11-20T12:00:00Z')
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

interface Made {
  certificate: X509Certificate
  keys: CryptoKeyPair
  pem: string
  key: string
}
interface Wanted {
  name: string
  authority?: boolean
  pathLength?: number
  usage?: string
  dns?: string[]
  from?: number
  until?: number
}

let serial = 0x1000
async function make(wanted: Wanted, issuer?: Made): Promise<Made> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const certificate = await X509CertificateGenerator.create({
    serialNumber: (++serial).toString(16),
    subject: `CN=${wanted.name}`,
    issuer: issuer?.certificate.subject ?? `CN=${wanted.name}`,
    notBefore: new Date(wanted.from ?? NOW - DAY_MS),
    notAfter: new Date(wanted.until ?? NOW + 365 * DAY_MS),
    signingAlgorithm: ALGORITHM,
    publicKey: keys.publicKey,
    signingKey: (issuer?.keys ?? keys).privateKey,
    extensions: [
      new BasicConstraintsExtension(wanted.authority === true, wanted.pathLength, true),
      new KeyUsagesExtension(
        wanted.authority === true ? KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign : KeyUsageFlags.digitalSignature,
        true,
      ),
      ...(wanted.authority === true
        ? []
        : [new ExtendedKeyUsageExtension([wanted.usage ?? ExtendedKeyUsage.clientAuth])]),
      ...(wanted.dns === undefined
        ? []
        : [new SubjectAlternativeNameExtension(wanted.dns.map((value) => ({ type: 'dns' as const, value })))]),
    ],
  })
  const key = PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY')
  return { certificate, keys, pem: certificate.toString('pem'), key }
}

async function crlOf(issuer: Made, revoked: Made[], issuedAt = NOW, lifeMs = 7 * DAY_MS): Promise<Uint8Array> {
  const crl = await X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(issuedAt),
    nextUpdate: new Date(issuedAt + lifeMs),
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(issuedAt),
    })),
    signingAlgorithm: ALGORITHM,
    signingKey: issuer.keys.privateKey,
  })
  return new Uint8Array(crl.rawData)
}

const root = await make({ name: 'Contoso Root', authority: true })
const below = await make({ name: 'Contoso Devices', authority: true, pathLength: 0 }, root)
const stranger = await make({ name: 'Contoso Root', authority: true })
const laptop = await make({ name: 'laptop-7', dns: ['laptop-7.contoso.example'] }, below)

async function withSite(db: Kysely<Database>, body: (site: Awaited<ReturnType<typeof makeSite>>) => Promise<void>) {
  await inFolder('organisation', async (folder) => await body(await makeSite(db, folder)))
}

async function makeSite(db: Kysely<Database>, folder: string) {
  const clock = createManualClock(NOW)
  const identity = await openSiteIdentity({ db, folder, clock, log: silentLog })
  const { siteId } = identity
  const requireDevice = createAdmission({ db, clock })
  const devices = createDevices({
    ...{ db, identity, clock, log: silentLog, gateways: async () => [], onRevoked: () => {} },
    catalogueRootHash: async () => Sha256.parse('0'.repeat(64)),
  })
  const organisation = createOrganisation({ db, siteId, clock, log: silentLog, revoke: devices.revoke })
  const trust = { siteId, policyKeys: [{ keyid: 'k', publicKey: 'AAAA' }], catalogueRoot: '{}' } as SiteTrust
  const vault = createVault(new Uint8Array(32))
  const settings = createSignInSettings({ db, vault })
  const signIns = createSignIns({ db, vault, settings, clock, log: silentLog })
  const handlers = createEnrolment({
    ...{
      signIns,
      onCertificates: () => {},
      db,
      identity,
      clock,
      log: silentLog,
      requireDevice,
      organisation,
      trust: async () => trust,
    },
  })
  const relayed = {
    gateway: { gatewayId: newId('gw', GatewayId), kind: 'internet' as const },
    parameters: {},
    signal: new AbortController().signal,
  }
  const addAll = async () => {
    const ids: Sha256[] = []
    for (const { pem } of [root, below]) ids.push((await organisation.add({ certificate: pem })).id)
    return ids as [Sha256, Sha256]
  }
  return {
    ...{ clock, devices, organisation, addAll },
    /** @param by the certificate that is shown; @param proof made by its key unless said otherwise */
    async enrol(by: Made, key: DeviceKey, proof: { key?: string; csr?: string } = {}) {
      const csr = await key.request()
      const text = organisationProofText(siteId, proof.csr ?? csr)
      const signed = sign('sha256', Buffer.from(text), createPrivateKey(proof.key ?? by.key)).toString('base64')
      const { body } = await handlers.enrol({
        ...relayed,
        caller: { identity: 'anonymous', remoteAddress: '192.0.2.1' },
        body: {
          ...{ csr, sealKey: 'c2VhbA==', facts: someFacts, agent: someAgent },
          organisation: { certificate: by.pem, proof: signed },
        },
      })
      const decision = EnrolmentAnswer.parse(body)
      assert.ok(decision.state !== 'signingIn')
      return decision
    },
    async renew(answer: EnrolmentAnswer, key: DeviceKey) {
      assert.ok(answer.state === 'approved')
      const hash = await crypto.subtle.digest('SHA-256', new X509Certificate(answer.certificate).rawData)
      const caller: Caller = {
        ...{ identity: 'device', deviceId: answer.deviceId, expired: false, remoteAddress: '192.0.2.1' },
        certificate: Sha256.parse(Buffer.from(hash).toString('hex')),
      }
      return await handlers.renew({ ...relayed, caller, body: { csr: await key.request() } })
    },
  }
}

const settings = (more: Partial<OrganisationSettings> = {}) =>
  OrganisationSettings.parse({ registration: 'automatic', checkCrl: true, names: ['*.contoso.example'], ...more })

onEveryDatabase('a computer registers without a token, as long as lists are there and do not name it', async (db) => {
  await withSite(db, async ({ organisation, devices, clock, enrol, renew, addAll }) => {
    const key = await makeDeviceKey()
    assert.match(await reasonOf(enrol(laptop, key)), /does not take certificates/)
    await organisation.setSettings(settings())
    assert.match(await reasonOf(enrol(laptop, key)), /trusts no authority/)
    assert.match(await reasonOf(organisation.add({ certificate: below.pem })), /^CONFLICT.*first/)
    assert.match(await reasonOf(organisation.add({ certificate: laptop.pem })), /^BAD_REQUEST/)
    const [rootId, belowId] = await addAll()

    // Checked by default, and closed without lists.
    assert.match(await reasonOf(enrol(laptop, key)), /no revocation list/)
    await organisation.setCrl(belowId, await crlOf(below, []))
    assert.match(await reasonOf(enrol(laptop, key)), /no revocation list/, 'the root has none yet')
    await organisation.setCrl(rootId, await crlOf(root, []))
    const answer = await enrol(laptop, key)
    assert.equal(answer.state, 'approved')
    assert.equal((await devices.list()).items.length, 1)
    assert.equal((await enrol(laptop, key)).deviceId, answer.deviceId, 'the same key is the same device')
    assert.equal(await reasonOf(renew(answer, key)), 'done')

    // Who only saw the certificate has not its key; who saw a request has not the device's key.
    const thief = await makeDeviceKey()
    assert.match(await reasonOf(enrol(laptop, thief, { key: stranger.key })), /does not come from who has its key/)
    assert.match(
      await reasonOf(enrol(laptop, thief, { csr: await key.request() })),
      /does not come from who has its key/,
    )

    // An older list, one of somebody else, and one that is out of date.
    assert.match(await reasonOf(organisation.setCrl(belowId, await crlOf(below, [], NOW - DAY_MS))), /^CONFLICT/)
    assert.match(await reasonOf(organisation.setCrl(belowId, await crlOf(root, []))), /another authority/)
    assert.match(await reasonOf(organisation.setCrl(rootId, await crlOf(stranger, []))), /did not sign/)
    clock.advance(8 * DAY_MS)
    assert.match(await reasonOf(enrol(laptop, key)), /out of date/)
    assert.match(await reasonOf(renew(answer, key)), /out of date/)
    await organisation.setSettings(settings({ checkCrl: false }))
    assert.equal(await reasonOf(renew(answer, key)), 'done')
    await organisation.setSettings(settings())

    // Revoked: shut out at once, also with its certificate of the site.
    await organisation.setCrl(rootId, await crlOf(root, [], clock.now()))
    await organisation.setCrl(belowId, await crlOf(below, [laptop], clock.now()))
    assert.equal((await devices.get(answer.deviceId)).state, 'revoked')
    assert.match(await reasonOf(renew(answer, key)), /^CERTIFICATE_REVOKED/)
    assert.match(await reasonOf(enrol(laptop, await makeDeviceKey())), /It was revoked/)
    assert.match(await reasonOf(organisation.remove(rootId)), /^CONFLICT/)
    await organisation.remove(belowId)
    await organisation.remove(rootId)
    assert.deepEqual(await organisation.authorities(), [])
  })
})

onEveryDatabase('only what the PKI meant for a device counts, and only names that the settings name', async (db) => {
  await withSite(db, async ({ organisation, devices, enrol, addAll }) => {
    const [rootId, belowId] = await addAll()
    await organisation.setSettings(settings({ registration: 'pending' }))
    await organisation.setCrl(belowId, await crlOf(below, []))
    await organisation.setCrl(rootId, await crlOf(root, []))
    const dns = ['laptop-8.contoso.example']
    const sub = await make({ name: 'Below below', authority: true }, below)
    for (const [made, reason] of [
      [await make({ name: 'server', dns, usage: ExtendedKeyUsage.serverAuth }, below), /client authentication/],
      [await make({ name: 'old', dns, until: NOW - 1000 }, below), /not valid now/],
      [await make({ name: 'early', dns, from: NOW + DAY_MS }, below), /not valid now/],
      [await make({ name: 'other', dns: ['laptop.evil.example'] }, below), /no name that stands for a device/],
      [await make({ name: 'laptop-9.contoso.example', dns: ['x.evil.example'] }, below), /no name/],
      [await make({ name: 'forged', dns }, stranger), /trusts no authority/],
      [await make({ name: 'by a laptop', dns }, laptop), /trusts no authority/],
      [await make({ name: 'too deep', dns }, sub), /trusts no authority/],
      [sub, /one of an authority/],
    ] as const)
      assert.match(await reasonOf(enrol(made, await makeDeviceKey())), reason)
    assert.equal((await devices.list()).items.length, 0)

    // An intermediate that may not have others below it.
    await organisation.add({ certificate: sub.pem })
    const deep = await make({ name: 'too deep', dns }, sub)
    assert.match(await reasonOf(enrol(deep, await makeDeviceKey())), /may not have authorities below/)

    const waiting = await enrol(laptop, await makeDeviceKey())
    assert.equal(waiting.state, 'pending')
    // The intermediate falls: so does who registered by it.
    await organisation.setCrl(rootId, await crlOf(root, [below], NOW + 1000))
    assert.equal((await devices.get(waiting.deviceId)).state, 'revoked')
  })
})

test('lists are fetched from where the administrator said; a fault is told and changes nothing', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'organisation-db-'))
  const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
  assert.ok(opened.ok)
  let answer: Uint8Array | number = await crlOf(root, [])
  const server = createServer((_, response) => {
    if (typeof answer === 'number') response.writeHead(answer, { location: 'http://127.0.0.1:1/' }).end()
    else response.end(answer)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    await withSite(opened.value, async ({ organisation }) => {
      const crlUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/root.crl`
      const added = await organisation.add({ certificate: root.pem, crlUrl })
      assert.equal(added.crl?.expired, false)
      for (const bad of [404, 302, new Uint8Array(5 * 1024 * 1024), new Uint8Array([1, 2, 3])]) {
        answer = bad
        const end = organisation.keepLists()
        const told = async () => (await organisation.authorities())[0]
        for (let n = 0; n < 200 && (await told())?.crlFault === undefined; n++)
          await new Promise((resolve) => setTimeout(resolve, 10))
        end()
        assert.deepEqual((await told())?.crl, added.crl)
        assert.notEqual((await told())?.crlFault, undefined)
        await organisation.setCrl(added.id, await crlOf(root, []))
      }
    })
  } finally {
    server.close()
    server.closeAllConnections()
    await opened.value.destroy()
    await rm(folder, { recursive: true })
  }
})
