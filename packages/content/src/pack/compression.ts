/** zstd where it helps, and bounded on the way back. */
import { promisify } from 'node:util'
import { constants, type ZstdOptions, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { release } from '../release.ts'

/** How a sealed body is written. */
export const STORED = 0
const ZSTD = 1
export type Method = typeof STORED | typeof ZSTD

/** 8 MiB: as large as the largest thing that is ever compressed, and far from what a hostile header may ask for. */
const MAX_WINDOW_LOG = 23

const zstd = promisify(zstdCompress)

const settings = (plain: Uint8Array, level: number): ZstdOptions => ({
  chunkSize: Math.max(1024, plain.length),
  params: { [constants.ZSTD_c_compressionLevel]: level },
  pledgedSrcSize: plain.length,
})

interface Compressed {
  method: Method
  body: Uint8Array
}

/** Keeps the bytes as they are unless that saves more than 3 %. */
function smaller(plain: Uint8Array, packed: Uint8Array): Compressed {
  if (packed.length < plain.length * 0.97) return { method: ZSTD, body: packed }
  release(packed)
  return { method: STORED, body: plain }
}

/** Compresses on the thread pool. */
export const compress = async (plain: Uint8Array, level: number): Promise<Compressed> =>
  smaller(plain, await zstd(plain, settings(plain, level)))

/** The same on this thread, for threads that do nothing else. */
export const compressHere = (plain: Uint8Array, level: number): Compressed =>
  smaller(plain, zstdCompressSync(plain, settings(plain, level)))

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
