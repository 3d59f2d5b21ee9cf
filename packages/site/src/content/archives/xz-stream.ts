/** The plain bytes of an `.xz` file, decoded by a thread of its own: xz takes a second of a processor for 50 MiB. */
import { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'

/** Room for the pieces that lie here; the decoder itself takes what the archive's dictionary asks for. */
const MAX_HEAP_MB = 64

/** Fails with what is wrong with the file. The thread ends with the stream. */
export function openXz(path: string, signal: AbortSignal | undefined): Readable {
  const worker = new Worker(new URL('./xz-thread.ts', import.meta.url), {
    workerData: path,
    resourceLimits: { maxOldGenerationSizeMb: MAX_HEAP_MB },
  })
  const stream = new Readable({
    highWaterMark: 1,
    signal,
    read() {
      worker.postMessage('taken')
    },
    destroy(error, done) {
      worker.terminate().then(
        () => done(error),
        () => done(error),
      )
    },
  })
  worker.on('message', (piece: Uint8Array) => stream.push(piece))
  worker.on('error', (error) => stream.destroy(error))
  worker.on('exit', () => {
    if (!stream.destroyed) stream.push(null)
  })
  return stream
}
