/** Bounds of frames and chunks, and how one is sealed. Needs nothing but Node, so that a thread that seals starts at once. */
import type { Sha256 } from '@sluice/protocol'
import { deriveKey, TAG_BYTES } from './gcm.ts'

/** Largest chunk, and so the largest frame, plain. */
export const MAX_CHUNK_BYTES = 1024 * 1024
/** Neighbouring small chunks share a frame up to this size, plain. Larger frames compress better (decision 0022). */
export const SHARED_FRAME_BYTES = 512 * 1024
export const FRAME_HEADER_BYTES = 8
export const FRAME_VERSION = 1
/** What sealing adds at most: what does not get smaller is stored as it is. */
export const FRAME_OVERHEAD_BYTES = FRAME_HEADER_BYTES + TAG_BYTES
export const MAX_SEALED_FRAME_BYTES = MAX_CHUNK_BYTES + FRAME_OVERHEAD_BYTES
export const MIN_SEALED_FRAME_BYTES = FRAME_OVERHEAD_BYTES + 1

export interface SealedFrame {
  /** SHA-256 of the plain bytes. */
  hash: Sha256
  sealed: Buffer<ArrayBuffer>
}

export const frameKey = (frameHash: Sha256, salt: Uint8Array): Uint8Array =>
  deriveKey(Buffer.from(frameHash, 'hex'), salt, 'sluice frame 1')

/** The authenticated header of a frame. */
export function frameHeader(method: number, plainBytes: number): Buffer {
  const header = Buffer.from([0x46, FRAME_VERSION, method, 0, 0, 0, 0, 0])
  header.writeUInt32LE(plainBytes, 4)
  return header
}
