/**
 * AES-256-GCM under a key that is used for one message only: whoever calls derives the key from
 * what is sealed, so the nonce may be fixed.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { release } from '../release.ts'

export const TAG_BYTES = 16
const NONCE = new Uint8Array(12)

/** HKDF-SHA256 to 32 bytes. */
export const deriveKey = (secret: Uint8Array, salt: Uint8Array, purpose: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secret, salt, purpose, 32))

/** Header, ciphertext and tag in one buffer of their own; the header is authenticated, not hidden. */
export function seal(key: Uint8Array, header: Uint8Array, body: Uint8Array): Buffer<ArrayBuffer> {
  const cipher = createCipheriv('aes-256-gcm', key, NONCE)
  cipher.setAAD(header)
  const sealed = Buffer.from(new ArrayBuffer(header.length + body.length + TAG_BYTES))
  sealed.set(header)
  const text = cipher.update(body)
  sealed.set(text, header.length)
  release(text)
  cipher.final()
  sealed.set(cipher.getAuthTag(), header.length + body.length)
  return sealed
}

/** The body behind a header of `headerBytes`, or undefined when anything was changed. */
export function open(key: Uint8Array, sealed: Uint8Array, headerBytes: number): Buffer | undefined {
  if (sealed.length < headerBytes + TAG_BYTES) return undefined
  const cipher = createDecipheriv('aes-256-gcm', key, NONCE, { authTagLength: TAG_BYTES })
  cipher.setAAD(sealed.subarray(0, headerBytes))
  cipher.setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  const body = cipher.update(sealed.subarray(headerBytes, sealed.length - TAG_BYTES))
  try {
    cipher.final()
    return body
  } catch {
    return undefined
  }
}
