/**
 * Opening and writing of frames, beside the thread that receives them: TLS keeps one processor busy,
 * seals and hashes a second one.
 *
 *   R1. The memory of a frame moves to the thread and back, so nothing is copied, and only one of the two
 *       can touch it at any time.
 *   R2. The thread starts with the first frame and ends with `close`: an agent at rest has none.
 *   R3. Buffers are used again, and given back to the system at once when nobody needs them: how many are in
 *       use is bounded by the streams, which have two or three each; how many wait is bounded here.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { type ChunkInFrame, release } from '@sluice/content/open-frame'
import type { Sha256 } from '@sluice/protocol'
import type { Frame, Place } from './frame-plan.ts'

/** To the thread. */
export interface FrameWork {
  number: number
  sealed: Uint8Array<ArrayBuffer>
  frame: { hash: Sha256; salt: Uint8Array }
  chunks: (ChunkInFrame & { places: readonly Place[] })[]
}

/** From the thread, with the memory of the frame. */
export type FrameOutcome = { number: number; buffer: ArrayBuffer } & (
  | { kind: 'written' | 'corrupt' }
  | { kind: 'failed'; code: string | undefined; message: string }
)

export interface FrameThread {
  /** Memory for a sealed frame: `write` takes it, or `free`. */
  buffer(sizeBytes: number): Uint8Array<ArrayBuffer>
  free(buffer: Uint8Array<ArrayBuffer>): void
  /** Opens the frame and writes it. False when it is not the right one; rejects when the disk refuses. */
  write(frame: Frame, sealed: Uint8Array<ArrayBuffer>): Promise<boolean>
  /** Ends the thread. Call it when no `write` is under way. */
  close(): Promise<void>
}

const BUFFER_STEP_BYTES = 64 * 1024
/** Buffers that wait for the next frame; more of them are given back to the system. */
const MOST_SPARE_BYTES = 8 * 1024 * 1024

/** @param folder in which the files of the places are, at their full size */
export function createFrameThread(folder: string): FrameThread {
  /** By their size. */
  const spare = new Map<number, ArrayBuffer[]>()
  let spareBytes = 0
  const keep = (buffer: ArrayBuffer) => {
    // R3
    if (spareBytes >= MOST_SPARE_BYTES) return release(new Uint8Array(buffer))
    spareBytes += buffer.byteLength
    const same = spare.get(buffer.byteLength) ?? []
    spare.set(buffer.byteLength, same)
    same.push(buffer)
  }
  const waiting = new Map<number, { resolve: (right: boolean) => void; reject: (error: Error) => void }>()
  let worker: Worker | undefined
  let last = 0

  // R2
  const start = (): Worker => {
    const started = new Worker(new URL('./frame-writer.ts', import.meta.url), {
      workerData: { folder },
      // What it makes is garbage with the next frame.
      resourceLimits: { maxYoungGenerationSizeMb: 4 },
    })
    started.on('message', (outcome: FrameOutcome) => {
      const caller = waiting.get(outcome.number)
      waiting.delete(outcome.number)
      keep(outcome.buffer)
      if (outcome.kind !== 'failed') return caller?.resolve(outcome.kind === 'written')
      caller?.reject(Object.assign(new Error(outcome.message), { code: outcome.code }))
    })
    let why = new Error('the thread that writes frames ended')
    started.on('error', (error) => {
      if (error instanceof Error) why = error
    })
    started.on('exit', () => {
      worker = undefined
      for (const { reject } of waiting.values()) reject(why)
      waiting.clear()
    })
    return started
  }

  return {
    buffer(sizeBytes) {
      const roundBytes = Math.ceil(sizeBytes / BUFFER_STEP_BYTES) * BUFFER_STEP_BYTES
      const kept = spare.get(roundBytes)?.pop()
      if (kept !== undefined) spareBytes -= roundBytes
      return new Uint8Array(kept ?? Buffer.allocUnsafeSlow(roundBytes).buffer, 0, sizeBytes)
    },
    free: ({ buffer }) => keep(buffer),
    write({ hash, pack, chunks }, sealed) {
      worker ??= start()
      const number = ++last
      const needed = chunks.map(({ id, sizeBytes, offsetInFrame, places }) => ({
        id,
        sizeBytes,
        offsetInFrame,
        places,
      }))
      const work: FrameWork = { number, sealed, frame: { hash, salt: pack.salt }, chunks: needed }
      const settled = new Promise<boolean>((resolve, reject) => waiting.set(number, { resolve, reject }))
      worker.postMessage(work, [sealed.buffer])
      return settled
    },
    async close() {
      for (const buffers of spare.values()) for (const buffer of buffers) release(new Uint8Array(buffer))
      spare.clear()
      if (worker === undefined) return
      const ended = once(worker, 'exit')
      worker.postMessage('end')
      await ended
    },
  }
}
