/** A device's key and certificate requests, as an agent makes them, for tests. */
import { type Extension, PemConverter, Pkcs10CertificateRequestGenerator } from '../identity/x509.ts'

export interface DeviceKey {
  /** PKCS#10 in PEM. */
  request(name?: string, extensions?: Extension[]): Promise<string>
  /** PKCS#8 in PEM. */
  privateKey: string
}

export async function makeDeviceKey(namedCurve = 'P-256'): Promise<DeviceKey> {
  const algorithm = { name: 'ECDSA', namedCurve, hash: 'SHA-256' }
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  return {
    privateKey: PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'),
    async request(name = 'CN=device', extensions = []) {
      const request = await Pkcs10CertificateRequestGenerator.create({
        name,
        extensions,
        keys,
        signingAlgorithm: algorithm,
      })
      return request.toString('pem')
    },
  }
}
