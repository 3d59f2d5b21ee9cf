/**
 * Opening a frame, with nothing imported that a small thread would not want: the other half of
 * `frame.ts`, which says what a frame is.
 */
import type { Sha256 } from '@sluice/protocol'
import type { ChunkRef } from '../manifest/file-entry.ts'
import { release } from '../release.ts'
import { decompress } from './compression.ts'
import {
  FRAME_HEADER_BYTES,
  FRAME_VERSION,
  frameKey,
  MAX_CHUNK_BYTES,
  MAX_SEALED_FRAME_BYTES,
  MIN_SEALED_FRAME_BYTES,
} from './frame-format.ts'
import { open } from './gcm.ts'
import { sha256 } from './hash.ts'

export { release }

/** A chunk of a frame: `offsetInFrame` to `offsetInFrame + sizeBytes` of its plain bytes. */
export type ChunkInFrame = ChunkRef & { offsetInFrame: number }

/** The plain bytes when seal, size, plain hash and the id of each chunk asked for are right; else what is not. */
export function readFrame(
  sealed: Uint8Array,
  frame: { hash: Sha256; salt: Uint8Array },
  chunks: readonly ChunkInFrame[],
): { plain: Uint8Array } | { fault: string } {
  if (sealed.length < MIN_SEALED_FRAME_BYTES || sealed.length > MAX_SEALED_FRAME_BYTES)
    return { fault: `${sealed.length} bytes cannot be a frame` }
  if (sealed[0] !== 0x46 || sealed[1] !== FRAME_VERSION) return { fault: 'it does not begin like a frame of version 1' }
  const plainBytes = Buffer.from(sealed.buffer, sealed.byteOffset, FRAME_HEADER_BYTES).readUInt32LE(4)
  if (plainBytes > MAX_CHUNK_BYTES) return { fault: `it claims ${plainBytes} plain bytes` }
  const body = open(frameKey(frame.hash, frame.salt), sealed, FRAME_HEADER_BYTES)
  if (body === undefined) return { fault: 'its seal does not fit: a byte was changed, or it belongs to another pack' }
  const plain = decompress(sealed[2] ?? 0, body, plainBytes)
  if (plain !== body) release(body)
  if (plain === undefined || sha256(plain) !== frame.hash) return { fault: 'its plain bytes are not the ones named' }
  for (const chunk of chunks) {
    // A frame that is the chunk was compared just now.
    if (chunk.id === frame.hash && chunk.offsetInFrame === 0 && chunk.sizeBytes === plain.length) continue
    const bytes = plain.subarray(chunk.offsetInFrame, chunk.offsetInFrame + chunk.sizeBytes)
    if (bytes.length !== chunk.sizeBytes || sha256(bytes) !== chunk.id)
      return { fault: `chunk ${chunk.id} does not lie at ${chunk.offsetInFrame}` }
  }
  return { plain }
}
