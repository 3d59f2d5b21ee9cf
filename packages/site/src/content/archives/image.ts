/** Bounded reading in an image of a disc: never beyond its end, never more than asked for. */
import { type FileHandle, open } from 'node:fs/promises'
import { Readable } from 'node:stream'
import type { FileBytes } from '@sluice/content'

export interface Image {
  path: string
  sizeBytes: number
  /** Exactly these bytes; throws when the image is shorter. */
  read(from: number, sizeBytes: number): Promise<Buffer>
  close(): Promise<void>
}

/** A stretch of the image; without `from` it is zeros that are not stored. */
export interface Run {
  from: number | undefined
  sizeBytes: number
}

/** Structures of a disc are small: what claims to be larger is damaged, or hostile. */
const MAX_READ_BYTES = 64 * 1024 * 1024
const PIECE_BYTES = 1024 * 1024

export async function openImage(path: string, sizeBytes: number): Promise<Image> {
  const file: FileHandle = await open(path, 'r')
  return {
    path,
    sizeBytes,
    async read(from, size) {
      if (from < 0 || size > MAX_READ_BYTES || from + size > sizeBytes)
        throw new Error('the image points outside itself')
      const bytes = Buffer.alloc(size)
      for (let done = 0; done < size; ) {
        const { bytesRead } = await file.read(bytes, done, size - done, from + done)
        if (bytesRead === 0) throw new Error('the image is cut short')
        done += bytesRead
      }
      return bytes
    },
    close: () => file.close(),
  }
}

/** Where the bytes of a file are; throws when they would lie outside the image. */
export function bytesOf(image: Image, runs: readonly Run[]): FileBytes {
  const joined: Run[] = []
  for (const run of runs) {
    if (run.sizeBytes === 0) continue
    if (run.from !== undefined && run.from + run.sizeBytes > image.sizeBytes)
      throw new Error('a file lies outside the image')
    const before = joined.at(-1)
    if (before !== undefined && before.from !== undefined && run.from === before.from + before.sizeBytes)
      joined[joined.length - 1] = { from: before.from, sizeBytes: before.sizeBytes + run.sizeBytes }
    else joined.push(run)
  }
  const [only] = joined
  if (joined.length === 1 && only?.from !== undefined)
    return { kind: 'stretch', path: image.path, from: only.from, watched: false }
  return { kind: 'stream', open: async () => Readable.from(pieces(image, joined), { objectMode: true }) }
}

async function* pieces(image: Image, runs: readonly Run[]): AsyncGenerator<Buffer> {
  for (const { from, sizeBytes } of runs)
    for (let done = 0; done < sizeBytes; done += PIECE_BYTES) {
      const size = Math.min(PIECE_BYTES, sizeBytes - done)
      yield from === undefined ? Buffer.alloc(size) : await image.read(from + done, size)
    }
}
