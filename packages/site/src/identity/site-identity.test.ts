import assert from 'node:assert/strict'
import { X509Certificate as NodeCertificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm, stat, unlink } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { connect, createServer } from 'node:tls'
import { DeviceId, deviceUri, GatewayId, ProblemError } from '@sluice/protocol'
import { systemClock } from '../clock.ts'
import { openDatabase } from '../db/database.ts'
import { silentLog } from '../log.ts'
import { makeDeviceKey } from '../testing/device-key.ts'
import { readCertificateRequest } from './certificate-request.ts'
import { newId } from './new-id.ts'
import { type Credentials, DEVICE_CERTIFICATE_MS, openSiteIdentity } from './site-identity.ts'
import {
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
} from './x509.ts'

const folder = await mkdtemp(join(tmpdir(), 'identity-'))
const opened = await openDatabase({ kind: 'sqlite', path: join(folder, 'site.db') })
assert.ok(opened.ok)
const db = opened.value
const keys = join(folder, 'keys')
const open = () => openSiteIdentity({ db, folder: keys, clock: systemClock, log: silentLog })
const identity = await open()
after(async () => {
  await db.destroy()
  await rm(folder, { recursive: true })
})

const deviceId = newId('dev', DeviceId)
const gatewayId = newId('gw', GatewayId)

async function deviceCredentials(): Promise<Credentials> {
  const key = await makeDeviceKey()
  const request = await readCertificateRequest(await key.request())
  assert.ok(request.ok)
  return { key: key.privateKey, cert: (await identity.issueDeviceCertificate(request.value, deviceId)).pem }
}

async function gatewayCredentials(hosts: string[]): Promise<Credentials> {
  const key = await makeDeviceKey()
  const issued = await identity.issueGatewayCertificate({ csr: await key.request(), gatewayId, hosts })
  assert.ok(issued.ok)
  return { key: key.privateKey, cert: issued.value.pem }
}

/** One TLS handshake; what the client's certificate came to at the server, or why there was none. */
async function handshake(
  server: Credentials & { ca: string },
  client: Credentials & { ca: string; servername?: string },
): Promise<string> {
  const listener = createServer({ ...server, requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on('error', () => {})
    socket.end(socket.authorized ? 'welcome' : String(socket.authorizationError))
  })
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  try {
    const socket = connect({ host: '127.0.0.1', port: (listener.address() as AddressInfo).port, ...client })
    return await new Promise((resolve) => {
      socket.once('data', (data) => resolve(String(data)))
      socket.once('error', (error) => resolve(error.message))
    })
  } finally {
    listener.close()
  }
}

test('a device certificate says only what the site says (SEC-19)', async () => {
  const key = await makeDeviceKey()
  const csr = await key.request('CN=administrator, O=somebody else', [
    new BasicConstraintsExtension(true, 3, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign, true),
    new ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.3']),
    new SubjectAlternativeNameExtension([
      { type: 'dns', value: 'gateway.example' },
      { type: 'url', value: deviceUri(identity.siteId, newId('dev', DeviceId)) },
    ]),
  ])
  const request = await readCertificateRequest(csr)
  assert.ok(request.ok)
  const issued = await identity.issueDeviceCertificate(request.value, deviceId)
  const certificate = new NodeCertificate(issued.pem)
  assert.equal(certificate.subject, `CN=${deviceId}`)
  assert.equal(certificate.subjectAltName, `URI:${deviceUri(identity.siteId, deviceId)}`)
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  assert.equal(certificate.ca, false)
  assert.equal(certificate.fingerprint256.replaceAll(':', '').toLowerCase(), issued.hash)
  assert.equal(certificate.serialNumber.toLowerCase(), issued.serial)
  assert.ok(certificate.verify(new NodeCertificate(identity.deviceAuthority).publicKey))
  const lifeMs = certificate.validToDate.getTime() - Date.now()
  assert.ok(lifeMs <= DEVICE_CERTIFICATE_MS && lifeMs > DEVICE_CERTIFICATE_MS - 60_000)
})

test('requests that cannot be used are refused by name', async () => {
  const wrongCurve = await (await makeDeviceKey('P-384')).request()
  const good = await (await makeDeviceKey()).request()
  const other = await (await makeDeviceKey()).request()
  // The signature of one request under the body of another.
  const bytes = Buffer.from(good.replaceAll(/-----.*-----|\s/g, ''), 'base64')
  const stolen = Buffer.from(other.replaceAll(/-----.*-----|\s/g, ''), 'base64')
  stolen.copy(bytes, 40, 40, 110)
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----`
  for (const csr of ['', 'no PEM', identity.deviceAuthority, wrongCurve, forged]) {
    const request = await readCertificateRequest(csr)
    assert.ok(!request.ok)
    assert.equal(request.problem.code, 'BAD_REQUEST')
  }
})

test('device and gateway know each other over real TLS', async () => {
  const server = { ...(await gatewayCredentials(['127.0.0.1', 'gateway.example'])), ca: identity.deviceAuthority }
  const client = { ...(await deviceCredentials()), ca: identity.gatewayAuthority }
  assert.equal(await handshake(server, client), 'welcome')
  assert.equal(await handshake(server, { ...client, servername: 'gateway.example' }), 'welcome')
  assert.match(await handshake(server, { ...client, servername: 'elsewhere.example' }), /altnames/)
})

test('each authority opens one door only', async () => {
  const gateway = await gatewayCredentials(['127.0.0.1'])
  const device = await deviceCredentials()
  const connector = await identity.connectorCredentials()
  const admin = await identity.adminCredentials(['127.0.0.1'])

  const link = { ...gateway, ca: identity.linkAuthority }
  assert.equal(await handshake(link, { ...connector, ca: identity.gatewayAuthority }), 'welcome')
  assert.notEqual(await handshake(link, { ...device, ca: identity.gatewayAuthority }), 'welcome')
  assert.notEqual(await handshake(link, { ...gateway, ca: identity.gatewayAuthority }), 'welcome')

  const devices = { ...gateway, ca: identity.deviceAuthority }
  assert.notEqual(await handshake(devices, { ...connector, ca: identity.gatewayAuthority }), 'welcome')

  // A device that plays the server is believed by nobody.
  for (const ca of [identity.gatewayAuthority, identity.deviceAuthority])
    assert.notEqual(await handshake({ ...device, ca }, { ...connector, ca }), 'welcome')

  const adminListener = { ...admin, ca: identity.linkAuthority }
  assert.equal(await handshake(adminListener, { ...connector, ca: identity.adminAuthority }), 'welcome')
  assert.notEqual(await handshake(adminListener, { ...connector, ca: identity.gatewayAuthority }), 'welcome')
})

test('the next start has the same authorities; without one of them there is no start', async () => {
  const again = await open()
  assert.equal(again.siteId, identity.siteId)
  assert.equal(again.deviceAuthority, identity.deviceAuthority)
  const path = join(keys, 'link-authority.pem')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  assert.equal((await stat(keys)).mode & 0o777, 0o700)
  await unlink(path)
  await assert.rejects(open(), (error) => error instanceof ProblemError && error.problem.code === 'KEYS_MISSING')
})
