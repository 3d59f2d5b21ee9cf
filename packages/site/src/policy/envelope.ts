import { type Envelope, preAuthEncoding } from '@sluice/protocol'
import type { SigningKey } from '../keys/keyring.ts'

/** Signs bytes together with their type (DSSE 1.0.2). */
export function signEnvelope(key: SigningKey, payloadType: string, payload: Uint8Array): Envelope {
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
  const sig = base64(key.sign(preAuthEncoding(payloadType, payload)))
  return { payloadType, payload: base64(payload), signatures: [{ keyid: key.keyid, sig }] }
}
