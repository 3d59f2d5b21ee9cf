/**
 * The live state of the device, whatever happens to the connection.
 *
 * Owns: the one stream of states, reconnecting, and the last state that was seen. Does not own:
 * how a state looks (pages), how it is fetched (`CenterApi`).
 *
 * 1. The last state stays while the connection is away, so the reader keeps the place.
 * 2. A lost connection is tried again for ever, after 0.25 s at first and 4 s at most: a device may
 *    take an hour in its upgrade, and the page must be back within seconds of the agent.
 * 3. Two answers end it, because no retry can mend them: the agent does not accept the session, or
 *    speaks a protocol that this page cannot read (it was upgraded: the page must be loaded anew).
 */
import { type CenterState, ProblemError } from '@sluice/protocol'
import { StateUnreadable } from './center-api.ts'

export type Live =
  | { kind: 'connecting' }
  | { kind: 'live'; state: CenterState }
  /** Not reachable now; `state` is what was seen last, if anything was. */
  | { kind: 'lost'; state: CenterState | undefined }
  | { kind: 'ended'; why: 'sessionRefused' | 'unreadable' }

export interface LiveState {
  get(): Live
  /** Calls back after each change; returns the way to stop that. */
  subscribe(changed: () => void): () => void
  /** Tries at once instead of at the end of the present wait. */
  retryNow(): void
}

export interface LiveOptions {
  states(signal: AbortSignal): AsyncIterable<CenterState>
  /** Resolves after the time, or as soon as the signal is aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  signal: AbortSignal
}

const FIRST_WAIT_MS = 250
const LONGEST_WAIT_MS = 4000

/** Starts to listen; ends with `signal`. */
export function listenLive({ states, wait, signal }: LiveOptions): LiveState {
  let live: Live = { kind: 'connecting' }
  let waiting = new AbortController()
  const listeners = new Set<() => void>()
  const become = (next: Live) => {
    live = next
    for (const changed of listeners) changed()
  }

  async function listen(): Promise<void> {
    let waitMs = FIRST_WAIT_MS
    while (!signal.aborted) {
      try {
        for await (const state of states(signal)) {
          waitMs = FIRST_WAIT_MS
          become({ kind: 'live', state })
        }
      } catch (error) {
        if (signal.aborted) return
        const why = ending(error)
        if (why) return become({ kind: 'ended', why })
      }
      if (signal.aborted) return
      // (1)
      if (live.kind !== 'lost') become({ kind: 'lost', state: live.kind === 'live' ? live.state : undefined })
      waiting = new AbortController()
      await wait(waitMs, AbortSignal.any([signal, waiting.signal]))
      // (2)
      waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)
    }
  }
  void listen()

  return {
    get: () => live,
    subscribe: (changed) => {
      listeners.add(changed)
      return () => listeners.delete(changed)
    },
    retryNow: () => waiting.abort(),
  }
}

/** (3) */
function ending(error: unknown): 'sessionRefused' | 'unreadable' | undefined {
  if (error instanceof StateUnreadable) return 'unreadable'
  if (!(error instanceof ProblemError)) return undefined
  const { code } = error.problem
  return code === 'SESSION_REFUSED' || code === 'NOT_AUTHENTICATED' ? 'sessionRefused' : undefined
}
