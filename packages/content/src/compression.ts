/** zstd where it helps, and bounded on the way back. */
import { promisify } from 'node:util'
import { constants, zstdCompress, zstdDecompressSync } from 'node:zlib'

/** How a sealed body is written. */
export const STORED = 0
export const ZSTD = 1
export type Method = typeof STORED | typeof ZSTD

/** 8 MiB: as large as the largest thing that is ever compressed, and far from what a hostile header may ask for. */
const MAX_WINDOW_LOG = 23

const zstd = promisify(zstdCompress)

/** Compresses on the thread pool; keeps the bytes as they are unless that saves more than 3 %. */
export async function compress(plain: Uint8Array, level: number): Promise<{ method: Method; body: Uint8Array }> {
  const packed = await zstd(plain, {
    chunkSize: Math.max(1024, plain.length),
    params: { [constants.ZSTD_c_compressionLevel]: level },
    pledgedSrcSize: plain.length,
  })
  return packed.length < plain.length * 0.97 ? { method: ZSTD, body: packed } : { method: STORED, body: plain }
}

/** Gives exactly `plainBytes` bytes, or undefined. Never makes more than that. */
export function decompress(method: number, body: Uint8Array, plainBytes: number): Uint8Array | undefined {
  if (method === STORED) return body.length === plainBytes ? body : undefined
  if (method !== ZSTD) return undefined
  try {
    const plain = zstdDecompressSync(body, {
      maxOutputLength: Math.max(1, plainBytes),
      params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
    })
    return plain.length === plainBytes ? plain : undefined
  } catch {
    return undefined
  }
}
