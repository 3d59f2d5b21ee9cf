/**
 * Brings objects from the site into the store: several at once, each tried again until it is there
 * or nobody wants it any more. The store publishes nothing whose hash is not its name.
 */
import type { Store } from '@sluice/content'
import { type Problem, problem, type StoredObject } from '@sluice/protocol'
import type { Link } from '../link/link.ts'
import { type Log, reason } from '../log.ts'
import { holdYoungGeneration } from '../young-generation.ts'
import { type ObjectKey, objectKey } from './contents.ts'
import { pullObject } from './pull.ts'

const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 60_000

export interface Puller {
  /** Queues what is not queued already. */
  want(objects: Iterable<StoredObject>): void
  /** Why an object is not here yet, when it was tried. */
  failures(): ReadonlyMap<ObjectKey, Problem>
  /** Breaks off what is under way. */
  stop(): Promise<void>
}

export interface PullerOptions {
  link: Link
  store: Store
  /** Objects at once. */
  pulls: number
  isWanted: (key: ObjectKey) => boolean
  onArrived: (key: ObjectKey) => void
  log: Log
}

export function createPuller(options: PullerOptions): Puller {
  const { link, store, log } = options
  const stopped = new AbortController()
  const queue = new Map<ObjectKey, StoredObject>()
  const underWay = new Map<ObjectKey, Promise<void>>()
  const failures = new Map<ObjectKey, Problem>()
  const retries = new Map<ObjectKey, { attempts: number; timer: NodeJS.Timeout }>()

  function pump(): void {
    for (const [key, object] of queue) {
      if (underWay.size >= options.pulls || stopped.signal.aborted) return
      queue.delete(key)
      underWay.set(key, pull(key, object))
    }
  }

  async function pull(key: ObjectKey, object: StoredObject): Promise<void> {
    const outcome = options.isWanted(key) ? await tryPull(object) : 'unwanted'
    underWay.delete(key)
    if (stopped.signal.aborted) return
    if (outcome === 'unwanted' || outcome === 'arrived') {
      failures.delete(key)
      retries.delete(key)
      if (outcome === 'arrived') options.onArrived(key)
    } else {
      failures.set(key, outcome)
      log.warn('content.pull-failed', { object: key, code: outcome.code, reason: outcome.detail })
      retryLater(key, object)
    }
    pump()
  }

  async function tryPull(object: StoredObject): Promise<Problem | 'arrived'> {
    using _ = holdYoungGeneration()
    const source = pullObject(link, object, stopped.signal)
    // The store's problem says that the source broke; why it did, the source knows.
    let broken: Problem | undefined
    source.once('error', (cause) => {
      if ('problem' in cause) broken = cause.problem as Problem
    })
    try {
      const stored = await store.put(object, source, stopped.signal)
      return stored.ok ? 'arrived' : (broken ?? stored.problem)
    } catch (thrown) {
      return problem('INTERNAL', `The object could not be stored: ${reason(thrown)}`)
    }
  }

  function retryLater(key: ObjectKey, object: StoredObject): void {
    const attempts = (retries.get(key)?.attempts ?? 0) + 1
    const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** (attempts - 1))
    const again = () => {
      queue.set(key, object)
      pump()
    }
    const timer = setTimeout(again, longest / 2 + (Math.random() * longest) / 2)
    retries.set(key, { attempts, timer })
  }

  return {
    failures: () => failures,
    want(objects) {
      for (const object of objects) {
        const key = objectKey(object)
        // One that failed waits for its time.
        if (!underWay.has(key) && !failures.has(key)) queue.set(key, object)
      }
      pump()
    },
    async stop() {
      stopped.abort()
      for (const { timer } of retries.values()) clearTimeout(timer)
      queue.clear()
      await Promise.all(underWay.values())
    },
  }
}
