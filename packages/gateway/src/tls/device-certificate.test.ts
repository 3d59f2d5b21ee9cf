import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { DeviceId, deviceUri, EXPIRED_CERTIFICATE_GRACE_MS, SiteId } from '@sluice/protocol'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '../../../site/src/identity/x509.ts'
import { makeAuthority, type TestAuthority } from '../testing/authorities.ts'
import { admit, type DeviceCertificate, readDeviceCertificate } from './device-certificate.ts'

const siteId = SiteId.parse('site_0123456789')
const deviceId = DeviceId.parse('dev_0123456789')
const uri = deviceUri(siteId, deviceId)
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

describe('reading a device certificate', () => {
  let folder: string
  let authority: TestAuthority
  let authorities: X509Certificate[]
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sluice-certificate-'))
    authority = await makeAuthority(folder, 'device', 'clientAuth')
    authorities = [new X509Certificate(authority.certificate)]
  })
  after(() => rm(folder, { recursive: true }))

  const read = (pem: string) => readDeviceCertificate(new X509Certificate(pem), siteId, authorities)

  /** A certificate that claims the authority as its issuer, signed by a key of its own. */
  async function forge(names: JsonGeneralNames, usage = CLIENT_AUTH): Promise<string> {
    const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
    const forged = await X509CertificateGenerator.create({
      serialNumber: '01',
      subject: 'CN=device',
      issuer: authorities[0]?.subject ?? '',
      notBefore: new Date(Date.now() - 1000),
      notAfter: new Date(Date.now() + 1_000_000),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      extensions: [
        new BasicConstraintsExtension(false, undefined, true),
        new ExtendedKeyUsageExtension([usage]),
        new SubjectAlternativeNameExtension(names),
      ],
    })
    return forged.toString('pem')
  }

  test('one that the site issued names its device', async () => {
    const issued = await authority.issue(uri)
    const certificate = read(issued.cert)
    assert.equal(certificate?.deviceId, deviceId)
    assert.equal(certificate?.hash, issued.hash)
  })

  test('the name of the issuer proves nothing without its signature', async () => {
    const forged = new X509Certificate(await forge([{ type: 'url', value: uri }]))
    assert.ok(authorities[0] !== undefined && forged.checkIssued(authorities[0]))
    assert.equal(readDeviceCertificate(forged, siteId, authorities), undefined)
  })

  test('a certificate for servers is none for a device', async () => {
    const servers = await makeAuthority(folder, 'servers', 'serverAuth')
    const { cert } = await servers.issue(uri)
    const all = [...authorities, new X509Certificate(servers.certificate)]
    assert.match(new X509Certificate(cert).keyUsage?.join() ?? '', new RegExp(SERVER_AUTH))
    assert.equal(readDeviceCertificate(new X509Certificate(cert), siteId, all), undefined)
  })

  for (const name of [
    `urn:sluice:${siteId}:connector`,
    `urn:sluice:${siteId}:device:`,
    `urn:sluice:${siteId}:device:${deviceId}x y`,
    `urn:sluice:${siteId}:device:${deviceId}, URI:urn:sluice:${siteId}:device:dev_9999999999`,
    `urn:sluice:site_9999999999:device:${deviceId}`,
    `${uri}/..`,
  ])
    test(`"${name}" is the name of no device of this site`, async () => {
      assert.equal(read((await authority.issue(name)).cert), undefined)
    })
})

describe('admission', () => {
  const from = Date.parse('2026-11-01T00:00:00Z')
  const to = from + 30 * 24 * 3600_000
  const certificate = { deviceId, hash: 'a'.repeat(64), validFromMs: from, validToMs: to } as DeviceCertificate
  const at = (now: number, identity: 'device' | 'deviceOrExpired', revoked = false) => {
    const admitted = admit(certificate, identity, now, () => revoked)
    return admitted.ok ? (admitted.value.expired ? 'expired' : 'valid') : admitted.problem.code
  }

  test('for as long as the certificate is valid, and a little before', () => {
    assert.equal(at(from, 'device'), 'valid')
    assert.equal(at(from - 60_000, 'device'), 'valid')
    assert.equal(at(from - 600_000, 'device'), 'NOT_AUTHENTICATED')
    assert.equal(at(to, 'device'), 'valid')
  })

  test('afterwards for renewal only, and for 90 days', () => {
    assert.equal(at(to + 1, 'device'), 'CERTIFICATE_EXPIRED')
    assert.equal(at(to + 1, 'deviceOrExpired'), 'expired')
    assert.equal(at(to + EXPIRED_CERTIFICATE_GRACE_MS, 'deviceOrExpired'), 'expired')
    assert.equal(at(to + EXPIRED_CERTIFICATE_GRACE_MS + 1, 'deviceOrExpired'), 'CERTIFICATE_EXPIRED')
  })

  test('never once it is revoked', () => {
    assert.equal(at(from, 'device', true), 'CERTIFICATE_REVOKED')
    assert.equal(at(to + 1, 'deviceOrExpired', true), 'CERTIFICATE_REVOKED')
  })
})
