/**
 * Opening and writing of frames, beside the thread that receives them: TLS keeps one processor busy,
 * seals and hashes a second one.
 *
 *   R1. The memory of a frame moves to the thread and back, so nothing is copied, and only one of the two
 *       can touch it at any time.
 *   R2. The thread starts with the first frame and ends with `close`: an agent at rest has none.
 *   R3. There is memory for so many frames, each as large as any: whoever finds none waits. It is used again
 *       and again, and given back to the system at the end.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { MAX_SEALED_FRAME_BYTES } from '@sluice/content'
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

export interface FrameMemory {
  /** Memory for a sealed frame, which `write` takes, or `free`; undefined while there is none (R3). */
  buffer(sizeBytes: number): Uint8Array<ArrayBuffer> | undefined
  free(buffer: Uint8Array<ArrayBuffer>): void
  /** Resolves when it makes sense to ask again. */
  freed(): Promise<void>
}

export interface FrameThread extends FrameMemory {
  /** Opens the frame and writes it. False when it is not the right one; rejects when the disk refuses. */
  write(frame: Frame, sealed: Uint8Array<ArrayBuffer>): Promise<boolean>
  /** Ends the thread. Call it when no `write` is under way. */
  close(): Promise<void>
}

/** @param folder in which the files of the places are, at their full size; @param most frames in memory at a time */
export function createFrameThread(folder: string, most: () => number): FrameThread {
  const spare: ArrayBuffer[] = []
  let inUse = 0
  let freed = Promise.withResolvers<void>()
  const keep = (buffer: ArrayBuffer) => {
    spare.push(buffer)
    inUse -= 1
    freed.resolve()
    freed = Promise.withResolvers()
  }
  const waiting = new Map<number, { resolve: (right: boolean) => void; reject: (error: Error) => void }>()
  let worker: Worker | undefined
  let last = 0

  // R2
  const start = (): Worker => {
    const started = new Worker(new URL('./frame-writer.ts', import.meta.url), {
      workerData: { folder },
      // What it makes is garbage with the next frame.
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
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
      if (inUse >= most()) return undefined
      inUse += 1
      return new Uint8Array(spare.pop() ?? Buffer.allocUnsafeSlow(MAX_SEALED_FRAME_BYTES).buffer, 0, sizeBytes)
    },
    free: ({ buffer }) => keep(buffer),
    freed: () => freed.promise,
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
      for (const buffer of spare.splice(0)) release(new Uint8Array(buffer))
      if (worker === undefined) return
      const ended = once(worker, 'exit')
      worker.postMessage('end')
      await ended
    },
  }
}
