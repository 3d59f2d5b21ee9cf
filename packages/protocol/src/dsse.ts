/**
 * DSSE envelopes (Dead Simple Signing Envelope 1.0.2): policy is signed as bytes together with
 * its type, and the verified bytes are the ones that are parsed. Signing and verifying need keys
 * and belong to site and agent; the pre-authentication encoding is here so both build the same.
 */
import { z } from 'zod'

export const Envelope = z.object({
  payloadType: z.string().max(128),
  /** Standard base64 of the payload's bytes. */
  payload: z.base64(),
  signatures: z
    .array(z.object({ keyid: z.string().max(128), sig: z.base64() }))
    .min(1)
    .max(8),
})
export type Envelope = z.infer<typeof Envelope>

export const POLICY_HEAD_TYPE = 'application/vnd.sluice.policy-head+json;v=1'
export const POLICY_BODY_TYPE = 'application/vnd.sluice.policy-body+json;v=1'

/** What is signed: `DSSEv1 <type length> <type> <payload length> <payload>` (DSSE 1.0.2, PAE). */
export function preAuthEncoding(payloadType: string, payload: Uint8Array): Uint8Array {
  const text = new TextEncoder()
  const head = text.encode(`DSSEv1 ${text.encode(payloadType).length} ${payloadType} ${payload.length} `)
  const out = new Uint8Array(head.length + payload.length)
  out.set(head)
  out.set(payload, head.length)
  return out
}

/** An Ed25519 key that may sign policy, as the catalogue's trust document lists it. */
export const PolicyKey = z.object({
  keyid: z.string().max(128),
  /** Standard base64 of the 32 raw bytes. */
  publicKey: z.base64(),
})
export type PolicyKey = z.infer<typeof PolicyKey>
