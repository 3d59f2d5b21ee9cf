/** Sealing to the seal key of a device: what only it may read. */
import { CompactEncrypt, importJWK } from 'jose'

/** JWE: ECDH-ES with X25519, A256GCM (RFC 8037). @param sealKey raw public key, standard base64 */
export async function sealToDevice(secret: Uint8Array, sealKey: string): Promise<string> {
  const x = Buffer.from(sealKey, 'base64').toString('base64url')
  const publicKey = await importJWK({ kty: 'OKP', crv: 'X25519', x }, 'ECDH-ES')
  return await new CompactEncrypt(secret).setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' }).encrypt(publicKey)
}
