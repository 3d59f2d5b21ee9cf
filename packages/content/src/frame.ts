/**
 * A frame: one chunk, or neighbouring small chunks of the same package, compressed where that
 * helps and sealed. The unit of sealing and of ranges.
 *
 *     'F', version 1, method, 0, plain bytes (u32 LE)   8 bytes, authenticated
 *     AES-256-GCM of the body, tag of 16 bytes
 *
 * 1. The key is HKDF(plain SHA-256 of the frame, salt of the pack): storage and gateway have neither.
 *    It seals this frame in this pack only, hence the fixed nonce.
 * 2. Nothing leaves `openFrame` before seal, size, plain hash and every chunk asked for were right.
 */
import { failed, ok, problem, type Result, type Sha256 } from '@sluice/protocol'
import { compress, decompress } from './compression.ts'
import type { ChunkRef } from './file-entry.ts'
import {
  FRAME_HEADER_BYTES,
  FRAME_VERSION,
  frameHeader,
  frameKey,
  MAX_CHUNK_BYTES,
  MAX_SEALED_FRAME_BYTES,
  MIN_SEALED_FRAME_BYTES,
  type SealedFrame,
} from './frame-format.ts'
import { open, seal } from './gcm.ts'
import { sha256 } from './hash.ts'

const ZSTD_LEVEL = 3

/**
 * Seals on the caller's thread, compresses on the pool. An import does the same in threads of its own (`hands/`).
 * @param salt of the pack that the frame goes into, 32 bytes
 */
export async function sealFrame(plain: Uint8Array, salt: Uint8Array, level = ZSTD_LEVEL): Promise<SealedFrame> {
  const hash = sha256(plain)
  const { method, body } = await compress(plain, level)
  return { hash, sealed: seal(frameKey(hash, salt), frameHeader(method, plain.length), body) }
}

/**
 * Opens one frame as it came from a pack and checks seal, size, plain hash and the id of each chunk
 * asked for. Gives the frame's plain bytes; a chunk is `offsetInFrame` to `offsetInFrame +
 * sizeBytes` of them. `CONTENT_CORRUPT`.
 */
export function openFrame(
  sealed: Uint8Array,
  frame: { hash: Sha256; salt: Uint8Array },
  chunks: readonly (ChunkRef & { offsetInFrame: number })[],
): Result<Uint8Array> {
  const corrupt = (what: string) => failed(problem('CONTENT_CORRUPT', `Frame ${frame.hash}: ${what}.`))
  if (sealed.length < MIN_SEALED_FRAME_BYTES || sealed.length > MAX_SEALED_FRAME_BYTES)
    return corrupt(`${sealed.length} bytes cannot be a frame`)
  if (sealed[0] !== 0x46 || sealed[1] !== FRAME_VERSION) return corrupt('it does not begin like a frame of version 1')
  const plainBytes = Buffer.from(sealed.buffer, sealed.byteOffset, FRAME_HEADER_BYTES).readUInt32LE(4)
  if (plainBytes > MAX_CHUNK_BYTES) return corrupt(`it claims ${plainBytes} plain bytes`)
  const body = open(frameKey(frame.hash, frame.salt), sealed, FRAME_HEADER_BYTES)
  if (body === undefined) return corrupt('its seal does not fit: a byte was changed, or it belongs to another pack')
  const plain = decompress(sealed[2] ?? 0, body, plainBytes)
  if (plain === undefined || sha256(plain) !== frame.hash) return corrupt('its plain bytes are not the ones named')
  for (const chunk of chunks) {
    // A frame that is the chunk was compared just now.
    if (chunk.id === frame.hash && chunk.offsetInFrame === 0 && chunk.sizeBytes === plain.length) continue
    const bytes = plain.subarray(chunk.offsetInFrame, chunk.offsetInFrame + chunk.sizeBytes)
    if (bytes.length !== chunk.sizeBytes || sha256(bytes) !== chunk.id)
      return corrupt(`chunk ${chunk.id} does not lie at ${chunk.offsetInFrame}`)
  }
  return ok(plain)
}
