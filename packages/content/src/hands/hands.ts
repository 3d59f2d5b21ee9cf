/**
 * The threads of one import. Questions wait in one queue; a thread has two at a time, so that it never
 * waits for the next. Sealing goes first: it frees memory, reading takes it.
 */
import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Answer, JobKind, Jobs, Question } from './jobs.ts'

export interface Hands {
  /** How many there are. */
  count: number
  /** Errors of the file system keep their `code` and `path`. Rejects when the hands were let go. */
  do<K extends JobKind>(kind: K, asked: Jobs[K]['asked']): Promise<Jobs[K]['answer']>
  /** Ends the threads: in the middle of whatever they do, but for a frame that is being compressed. */
  letGo(): Promise<void>
}

/** More threads than this do not make an import faster: one thread still writes. */
const MOST_HANDS = 4
const AT_A_TIME = 2
/** Of a thread: enough for the names of a folder of a million files. A smaller bound has it collect sooner. */
const MAX_HEAP_MB = 512

interface Waiting {
  question: Question
  resolve: (value: never) => void
  reject: (error: unknown) => void
}

/** The bytes of a question go to whoever answers it. */
const buffersOf = (question: Question): ArrayBuffer[] => {
  if (question.kind === 'seal') return [question.asked.plain]
  return question.kind === 'cut' ? [question.asked.bytes] : []
}

const saysOrEnds = (worker: Worker): Promise<void> =>
  new Promise((resolve) => {
    for (const event of ['message', 'exit'] as const) worker.once(event, () => resolve())
  })

/** Starts the threads; an import lets them go at its end. */
export function createHands(count = Math.min(MOST_HANDS, availableParallelism())): Hands {
  let next = 0
  let gone = false
  const urgent: Waiting[] = []
  const queue: Waiting[] = []
  const threads = Array.from({ length: count }, () => {
    const worker = new Worker(new URL('./hand.ts', import.meta.url), {
      name: 'sluice-import',
      resourceLimits: { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: MAX_HEAP_MB },
    })
    const thread = { worker, busy: new Map<number, Waiting>() }
    worker.on('message', (answer: Answer) => {
      const waiting = thread.busy.get(answer.id)
      thread.busy.delete(answer.id)
      share()
      if ('error' in answer) waiting?.reject(Object.assign(new Error(answer.error.message), answer.error))
      else waiting?.resolve(answer.value as never)
    })
    worker.on('error', fail)
    worker.on('exit', () => {
      fail(new Error('a thread of the import ended'))
      thread.busy.clear()
    })
    return thread
  })

  function share(): void {
    for (;;) {
      const thread = threads.reduce((least, one) => (one.busy.size < least.busy.size ? one : least))
      if (gone || thread.busy.size >= AT_A_TIME) return
      const waiting = urgent.shift() ?? queue.shift()
      if (waiting === undefined) return
      thread.busy.set(waiting.question.id, waiting)
      thread.worker.postMessage(waiting.question, buffersOf(waiting.question))
    }
  }

  function fail(error: unknown): void {
    gone = true
    for (const { busy } of threads) for (const { reject } of busy.values()) reject(error)
    for (const { reject } of [...urgent.splice(0), ...queue.splice(0)]) reject(error)
  }

  return {
    count,
    do: (kind, asked) =>
      new Promise((resolve, reject) => {
        if (gone) return reject(new Error('the threads of the import were let go'))
        const question = { id: next++, kind, asked } as Question
        const waiting = { question, resolve, reject }
        if (kind === 'seal') urgent.push(waiting)
        else queue.push(waiting)
        share()
      }),
    async letGo() {
      fail(new Error('the threads of the import were let go'))
      await Promise.all(
        threads.map(async ({ worker, busy }) => {
          // A thread that is cut off just when Node sets up a compression takes the whole process with it.
          while ([...busy.values()].some(({ question }) => question.kind === 'seal')) await saysOrEnds(worker)
          await worker.terminate()
        }),
      )
    },
  }
}
