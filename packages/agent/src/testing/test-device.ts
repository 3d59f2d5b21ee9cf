/** Parts of a device for tests: facts, keys, and a site that answers enrolment. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import {
  type DeviceFacts,
  DeviceId,
  deviceUri,
  type EnrolmentAnswer,
  type EnrolmentBundle,
  SiteId,
} from '@sluice/protocol'
import type { TestAuthority } from './test-authority.ts'
import type { TestGateway } from './test-gateway.ts'

export const testFacts: DeviceFacts = {
  hostname: 'demo',
  platform: 'linux',
  architecture: 'x64',
  manufacturer: 'Contoso',
  model: 'Model 1',
  serialNumber: '1',
  os: { id: 'minios', name: 'MiniOS 1 (alpha)', version: '1' },
  memoryBytes: 4 * 1024 ** 3,
  processorMHz: 2000,
}

export const testSiteId = SiteId.parse('site_0000000001')
export const testDeviceId = DeviceId.parse('dev_0000000001')
const catalogueRoot = '{"signed":"the first root"}'

export function testBundle(gateway: TestGateway, token?: string): EnrolmentBundle {
  return {
    format: 'sluice-enrolment/1',
    siteId: testSiteId,
    gateways: [gateway.address],
    gatewayAuthority: gateway.authority.certificate,
    catalogueRootHash: createHash('sha256').update(catalogueRoot).digest('hex') as EnrolmentBundle['catalogueRootHash'],
    ...(token === undefined ? {} : { token }),
  }
}

/** A certificate for a device's key. Times in milliseconds from now. */
export function testCertificate(
  authority: TestAuthority,
  identity: KeyObject,
  { deviceId = testDeviceId, fromMs = -1000, untilMs = 30 * 24 * 3600_000 } = {},
): string {
  const name = { uri: deviceUri(testSiteId, deviceId) }
  return authority.issue({ publicKey: createPublicKey(identity), name, fromMs, untilMs })
}

export function approvedAnswer(certificate: string): EnrolmentAnswer & { state: 'approved' } {
  return {
    state: 'approved',
    deviceId: testDeviceId,
    certificate,
    trust: { siteId: testSiteId, policyKeys: [{ keyid: 'k', publicKey: 'AAAA' }], catalogueRoot },
  }
}

/** A certificate for the key of a request that the agent made. */
export function testCertificateOf(authority: TestAuthority, csr: string): string {
  const publicKey = createPublicKey({ key: requestKey(csr), format: 'der', type: 'spki' })
  return authority.issue({ publicKey, name: { uri: deviceUri(testSiteId, testDeviceId) }, fromMs: -1000 })
}

/** The SPKI in a certificate request: of P-256, always 91 bytes long. */
function requestKey(csr: string): Buffer {
  const der = Buffer.from(csr.replace(/-----[^-]+-----|\s/g, ''), 'base64')
  const start = der.indexOf(Buffer.from('3059301306072a8648ce3d0201', 'hex'))
  return der.subarray(start, start + 91)
}
