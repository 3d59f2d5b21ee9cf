/**
 * The thread of one download (`frame-thread.ts` is its other end): opens frames, and writes their chunks
 * to their places when, and only when, all of the frame was right. It works synchronously, one frame
 * after the other, and imports as little as it can: it lives only while something is fetched.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { readFrame, release } from '@sluice/content/open-frame'
import type { FrameWork } from './frame-thread.ts'

const { folder } = workerData as { folder: string }
const MOST_OPEN_FILES = 16
const { O_NOFOLLOW = 0, O_WRONLY } = constants
/** In the order of their last use. */
const files = new Map<string, number>()

parentPort?.on('message', (work: FrameWork | 'end') => {
  if (work === 'end') {
    for (const file of files.values()) closeSync(file)
    parentPort?.close()
    return
  }
  const { number, sealed } = work
  parentPort?.postMessage({ number, buffer: sealed.buffer, ...perform(work) }, [sealed.buffer])
})

type Outcome = { kind: 'written' | 'corrupt' } | { kind: 'failed'; code: string | undefined; message: string }

function perform({ sealed, frame, chunks }: FrameWork): Outcome {
  const read = readFrame(sealed, frame, chunks)
  if ('fault' in read) return { kind: 'corrupt' }
  try {
    for (const { places, offsetInFrame, sizeBytes } of chunks)
      for (const { path, offset } of places)
        writeAll(fileAt(path), read.plain.subarray(offsetInFrame, offsetInFrame + sizeBytes), offset)
    return { kind: 'written' }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return { kind: 'failed', code, message }
  } finally {
    release(read.plain)
  }
}

/** The file, which is there already; never through a symlink. */
function fileAt(path: string): number {
  const kept = files.get(path)
  const file = kept ?? openSync(join(folder, path), O_WRONLY | O_NOFOLLOW)
  files.delete(path)
  files.set(path, file)
  for (const [oldest, other] of files) {
    if (files.size <= MOST_OPEN_FILES) break
    files.delete(oldest)
    closeSync(other)
  }
  return file
}

function writeAll(file: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, position + done)
}
