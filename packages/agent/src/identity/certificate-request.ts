/** PKCS#10 request for the device's key. The site takes nothing from it but the key and the proof of having it. */
import { createPublicKey } from 'node:crypto'
import type { DeviceKeys } from './device-keys.ts'

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

/** PEM. */
export async function createCertificateRequest(keys: Pick<DeviceKeys, 'identity'>): Promise<string> {
  // Needed once a month: an idle agent does not carry it in memory.
  const { Pkcs10CertificateRequestGenerator } = await import('@peculiar/x509')
  const { subtle } = globalThis.crypto
  const pkcs8 = keys.identity.export({ type: 'pkcs8', format: 'der' })
  const spki = createPublicKey(keys.identity).export({ type: 'spki', format: 'der' })
  const request = await Pkcs10CertificateRequestGenerator.create({
    name: 'CN=device',
    keys: {
      privateKey: await subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, false, ['sign']),
      publicKey: await subtle.importKey('spki', new Uint8Array(spki), algorithm, true, ['verify']),
    },
    signingAlgorithm: algorithm,
  })
  return request.toString('pem')
}
