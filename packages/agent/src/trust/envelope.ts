/** DSSE: bytes are verified together with their type, and nothing is parsed before (SEC-43). */
import { createPublicKey, verify } from 'node:crypto'
import { type Envelope, failed, ok, type PolicyKey, preAuthEncoding, problem, type Result } from '@sluice/protocol'

/**
 * The payload of an envelope that one of `keys` signed as `payloadType`; `POLICY_REFUSED` otherwise.
 * Signatures of keys that are not listed count for nothing.
 */
export function verifyEnvelope(
  envelope: Envelope,
  payloadType: string,
  keys: readonly PolicyKey[],
): Result<Uint8Array> {
  if (envelope.payloadType !== payloadType)
    return failed(problem('POLICY_REFUSED', `Expected ${payloadType}, got ${JSON.stringify(envelope.payloadType)}.`))
  const payload = Buffer.from(envelope.payload, 'base64')
  const signed = preAuthEncoding(payloadType, payload)
  const valid = envelope.signatures.some(({ keyid, sig }) => {
    const key = keys.find((known) => known.keyid === keyid)
    return key !== undefined && verify(null, signed, publicKey(key), Buffer.from(sig, 'base64'))
  })
  return valid
    ? ok(payload)
    : failed(problem('POLICY_REFUSED', `No key that the catalogue lists signed this ${payloadType}.`))
}

function publicKey(key: PolicyKey) {
  const x = Buffer.from(key.publicKey, 'base64').toString('base64url')
  return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
}
