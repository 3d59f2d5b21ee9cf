/** The plain bytes of an `.xz` file, decoded by a thread of its own: xz takes a second of a processor for 50 MiB. */
import { Readable } from 'node:stream'
import { Worker } from 'node:worker_threads'
import { ProblemError, problem } from '@sluice/protocol'

const MiB = 1024 * 1024
/** Room for the pieces that lie here, beside what the decoder takes. */
const MAX_HEAP_MB = 64
/** A larger dictionary is refused before memory is taken for it: the decoder is built with this bound, that of `xz -9`. */
const MAX_DICTIONARY_BYTES = 64 * MiB

/** What the decoder says by numbers (`enum xz_ret` of XZ Embedded). */
const MEMORY_LIMIT = '4'
const reasons: Record<string, string> = {
  '2': 'it has a checksum of an unknown kind',
  '3': 'there is no memory to decode it',
  '5': 'it is no .xz file',
  '6': 'it has a filter that is not decoded here',
  '7': 'it is damaged',
  '8': 'it is damaged or cut short',
}

/** Fails with what is wrong with the file: `ARCHIVE_NEEDS_MEMORY`, or an error in words. The thread ends with the stream. */
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
  worker.on('error', (error: Error) => stream.destroy(inWords(path, error)))
  worker.on('exit', () => {
    if (!stream.destroyed) stream.push(null)
  })
  return stream
}

function inWords(path: string, error: Error): Error {
  const number = /error code (\d+)$/.exec(error.message)?.[1] ?? ''
  if (number !== MEMORY_LIMIT) return new Error(reasons[number] ?? error.message, { cause: error })
  const most = `${MAX_DICTIONARY_BYTES / MiB} MiB`
  return new ProblemError(problem('ARCHIVE_NEEDS_MEMORY', `${path}: its dictionary is larger than ${most}.`))
}
