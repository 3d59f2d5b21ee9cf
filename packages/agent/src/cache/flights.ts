/**
 * Single flight: whoever wants an entry of the cache that somebody else is just bringing waits for that,
 * sees how it goes, and then finds it there; or brings it, with what is there already, when the other one
 * gave up.
 */
import type { Problem } from '@sluice/protocol'
import type { SourceNews } from '../download/sources.ts'
import type { EntryId } from './entry.ts'

/** What is told while an entry comes. */
export interface FlightEvents {
  /** Stored bytes that are here, of all that will be. */
  onProgress(doneBytes: number, totalBytes: number): void
  /** Pack bytes that came over the network just now. */
  onReceived(bytes: number): void
  /** Why nothing comes at the moment; undefined when it goes on. */
  onWaiting(reason: Problem | undefined): void
  /** Where the bytes come from, and what is passed over and why. */
  onSource?(news: SourceNews): void
}

export interface Flights {
  /**
   * Runs `work` when nobody else works on the entry. What `work` tells goes to everybody who waits for
   * the same entry. Rejects with the reason of `signal` while it waits, and with what `work` throws.
   */
  fly<T>(
    entryId: EntryId,
    watcher: FlightEvents,
    signal: AbortSignal,
    work: (events: FlightEvents) => Promise<T>,
  ): Promise<T>
  /** Somebody works on the entry now. */
  busy(entryId: EntryId): boolean
}

export function createFlights(): Flights {
  const flying = new Map<EntryId, { watchers: Set<FlightEvents>; landed: Promise<void> }>()
  return {
    busy: (entryId) => flying.has(entryId),
    async fly(entryId, watcher, signal, work) {
      for (let other = flying.get(entryId); other !== undefined; other = flying.get(entryId)) {
        other.watchers.add(watcher)
        try {
          await untilAborted(other.landed, signal)
        } finally {
          other.watchers.delete(watcher)
        }
      }
      signal.throwIfAborted()
      const watchers = new Set([watcher])
      const landed = Promise.withResolvers<void>()
      flying.set(entryId, { watchers, landed: landed.promise })
      const all = (tell: (one: FlightEvents) => void) => {
        for (const one of watchers) tell(one)
      }
      try {
        return await work({
          onProgress: (done, total) => all((one) => one.onProgress(done, total)),
          onReceived: (bytes) => all((one) => one.onReceived(bytes)),
          onWaiting: (reason) => all((one) => one.onWaiting(reason)),
          onSource: (news) => all((one) => one.onSource?.(news)),
        })
      } finally {
        flying.delete(entryId)
        landed.resolve()
      }
    },
  }
}

async function untilAborted(end: Promise<void>, signal: AbortSignal): Promise<void> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await Promise.race([end, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
