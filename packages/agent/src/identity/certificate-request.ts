/**
 * PKCS#10 request (RFC 2986) for the device's key. The site takes nothing from it but the key and the
 * proof of having it, so it says nothing else.
 */
import { createPublicKey, sign } from 'node:crypto'
import { bitString, commonName, context, ecdsaWithSha256, sequence, smallInteger, toPem } from './der.ts'
import type { DeviceKeys } from './device-keys.ts'

/** PEM. */
export function createCertificateRequest({ identity }: Pick<DeviceKeys, 'identity'>): string {
  const publicKey = createPublicKey(identity).export({ type: 'spki', format: 'der' })
  const info = sequence(smallInteger(0), commonName('device'), publicKey, context(0))
  const signature = sign('sha256', info, identity)
  return toPem('CERTIFICATE REQUEST', sequence(info, ecdsaWithSha256, bitString(signature)))
}
