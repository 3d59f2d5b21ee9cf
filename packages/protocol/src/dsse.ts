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

/** An Ed25519 key that may sign policy. */
export const PolicyKey = z.object({
  /** SHA-256 of the 32 raw bytes, in hexadecimal. */
  keyid: z.string().max(128),
  /** Standard base64 of the 32 raw bytes. */
  publicKey: z.base64(),
})
export type PolicyKey = z.infer<typeof PolicyKey>

/**
 * Field of the catalogue's `root.json` with the `PolicyKey`s. Root keys sign it, so whoever relays
 * an enrolment cannot slip in a key of its own (security-reliability §3.2, K3).
 */
export const POLICY_KEYS_FIELD = 'x-sluice-policy-keys'

/**
 * Field of the catalogue's `root.json`: `online` when the site holds all keys and releases by itself.
 * Only then may a deployment bring variables that its sequence does not declare (design §5).
 */
export const CATALOGUE_MODE_FIELD = 'x-sluice-mode'
export const CatalogueMode = z.enum(['online', 'offline'])
export type CatalogueMode = z.infer<typeof CatalogueMode>

/** Field of the catalogue's `root.json`: fields of ours in it that a reader must understand, or not believe the root. */
export const CATALOGUE_CRIT_FIELD = 'x-sluice-crit'

/** What a root says beyond TUF. One that does not name its mode gets the strict one. */
export const CatalogueRootFields = z.object({
  [POLICY_KEYS_FIELD]: z.array(PolicyKey).min(1).max(8),
  [CATALOGUE_MODE_FIELD]: CatalogueMode.default('offline'),
  [CATALOGUE_CRIT_FIELD]: z
    .array(z.enum([POLICY_KEYS_FIELD, CATALOGUE_MODE_FIELD]))
    .max(8)
    .default([]),
})

/** The bytes of a signed document. What `readSignedJson` accepts, and nothing else, is written. */
export function writeSignedJson(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

/**
 * Parses verified bytes, once. Bytes that two parsers could read differently are refused: duplicate
 * or `__proto__` keys, numbers that do not survive, lone surrogates, a byte order mark, anything
 * before or after the value (SEC-43). The test is that writing the value again gives the same bytes.
 */
export function readSignedJson(bytes: Uint8Array): { ok: true; value: unknown } | { ok: false; fault: string } {
  let fault: string | undefined
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    const value: unknown = JSON.parse(text, (key, part: unknown) => {
      if (key === '__proto__') fault = 'it has a key __proto__'
      if (!key.isWellFormed() || (typeof part === 'string' && !part.isWellFormed())) fault = 'it has a lone surrogate'
      return part
    })
    if (fault === undefined && JSON.stringify(value) !== text) fault = 'its JSON can be read in more than one way'
    return fault === undefined ? { ok: true, value } : { ok: false, fault }
  } catch (error) {
    return { ok: false, fault: error instanceof Error ? error.message : String(error) }
  }
}
