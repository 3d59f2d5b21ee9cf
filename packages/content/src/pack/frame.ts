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
import { compress } from './compression.ts'
import { frameHeader, frameKey, type SealedFrame } from './frame-format.ts'
import { seal } from './gcm.ts'
import { sha256 } from './hash.ts'
import { type ChunkInFrame, readFrame } from './open-frame.ts'

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
  chunks: readonly ChunkInFrame[],
): Result<Uint8Array> {
  const read = readFrame(sealed, frame, chunks)
  return 'plain' in read ? ok(read.plain) : failed(problem('CONTENT_CORRUPT', `Frame ${frame.hash}: ${read.fault}.`))
}
