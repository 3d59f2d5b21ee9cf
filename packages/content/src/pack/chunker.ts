/**
 * Content-defined chunking (FastCDC: a gear hash, a skipped minimum, two masks so that sizes gather
 * around the average). A cut depends on the 32 bytes before it, so an insertion moves the cuts near
 * it and no others.
 */
import type { FileHandle } from 'node:fs/promises'
import { MAX_CHUNK_BYTES } from './frame-format.ts'
import { gear } from './gear.ts'

export const MIN_CHUNK_BYTES = 32 * 1024
export const AVERAGE_CHUNK_BYTES = 128 * 1024

/** Bits that must be zero for a cut: two more than the average asks for before it, two fewer after it. */
const BEFORE_AVERAGE = 0xffffe000 | 0 // 19 bits
const AFTER_AVERAGE = 0xfffe0000 | 0 // 15 bits
/** The hash forgets a byte after 32 more, so it may start this far before the minimum. */
const GEAR_WINDOW = 32

/**
 * Size of the chunk that begins at `start` in bytes that go on to `end`. Bytes after `end` are
 * unknown: unless `end` is the file's end, give at least `MAX_CHUNK_BYTES`.
 */
export function cutSize(bytes: Uint8Array, start: number, end: number): number {
  const size = end - start
  if (size <= MIN_CHUNK_BYTES) return size
  const average = start + Math.min(size, AVERAGE_CHUNK_BYTES)
  const limit = start + Math.min(size, MAX_CHUNK_BYTES)
  let at = start + MIN_CHUNK_BYTES - GEAR_WINDOW
  const first = start + MIN_CHUNK_BYTES
  let hash = 0
  while (at < first) hash = ((hash << 1) + (gear[bytes[at++] as number] as number)) | 0
  while (at < average) {
    if ((hash & BEFORE_AVERAGE) === 0) return at - start
    hash = ((hash << 1) + (gear[bytes[at++] as number] as number)) | 0
  }
  while (at < limit) {
    if ((hash & AFTER_AVERAGE) === 0) return at - start
    hash = ((hash << 1) + (gear[bytes[at++] as number] as number)) | 0
  }
  return limit - start
}

export interface Chunker {
  /** The chunks of a file from its beginning to its end. Each is a view that the next one overwrites. */
  chunks(file: FileHandle, signal?: AbortSignal): AsyncGenerator<Buffer>
}

/** A chunker reads one file at a time into one buffer. */
export function createChunker(): Chunker {
  const buffer = Buffer.allocUnsafeSlow(2 * MAX_CHUNK_BYTES)
  return {
    async *chunks(file, signal) {
      let start = 0
      let end = 0
      let ended = false
      for (;;) {
        if (!ended && end - start < MAX_CHUNK_BYTES) {
          buffer.copyWithin(0, start, end)
          end -= start
          start = 0
          while (!ended && end < buffer.length) {
            signal?.throwIfAborted()
            const { bytesRead } = await file.read(buffer, end, buffer.length - end)
            if (bytesRead === 0) ended = true
            end += bytesRead
          }
        }
        if (start === end) return
        const size = cutSize(buffer, start, end)
        yield buffer.subarray(start, start + size)
        start += size
      }
    },
  }
}
