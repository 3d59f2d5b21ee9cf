/**
 * What a download does about obstacles. A source that cannot be reached is waited for, with growing
 * pauses, as long as bytes came at some time within `noProgressMs` (REL-09): it counts against no
 * retry count. What can be renewed (address, token) is renewed a few times. The rest is the caller's.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { failed, type Problem, type ProblemCode, type Result } from '@sluice/protocol'
import { createBackoff } from '../backoff.ts'

/**
 * `wait`: the source is not there at the moment. `renewAddress`, `renewToken`: what we asked with is
 * no longer good. `strike`: an answer that no honest source gives. `hold`: it may not fetch now, however long
 * that lasts. Others: failures of this try.
 */
export type Attitude = 'wait' | 'hold' | 'renewAddress' | 'renewToken' | 'strike' | 'fail'

const attitudes: Partial<Record<ProblemCode, Attitude>> = {
  UNREACHABLE: 'wait',
  SITE_UNREACHABLE: 'wait',
  BUSY: 'wait',
  INTERNAL: 'wait',
  CONTENT_SOURCE_FAILED: 'wait',
  SIGNED_URL_REFUSED: 'renewAddress',
  CONTENT_TOKEN_REFUSED: 'renewToken',
  // Renewed by the agent on its own, at the same time.
  CERTIFICATE_EXPIRED: 'wait',
  DOWNLOAD_NOT_NOW: 'hold',
  METERED_BLOCKED: 'hold',
  METERED_BUDGET_SPENT: 'hold',
  BAD_ANSWER: 'strike',
  CONTENT_CORRUPT: 'strike',
}
export const attitudeTo = (reason: Problem): Attitude => attitudes[reason.code] ?? 'fail'

/** Without progress in between. */
const MOST_RENEWALS = 5
const MOST_STRIKES = 3

export interface Patience {
  /** Something arrived and was right. */
  progressed(): void
  /**
   * Tries until it works or makes no sense any more; then the last problem. Rejects with the reason of
   * the signal, or of one of the caller's own.
   */
  insist<T>(attempt: () => Promise<Result<T>>, signal?: AbortSignal): Promise<Result<T>>
}

export interface PatienceOptions {
  signal: AbortSignal
  /** Longest time without anything that arrived, in milliseconds. */
  noProgressMs: number
  /** Longest pause between two tries. */
  maxPauseMs: number
  random: () => number
  /** For displays: what is waited for; undefined when it goes on. */
  onWaiting: (reason: Problem | undefined) => void
  renewToken: () => Promise<Result<unknown>>
}

export function createPatience(options: PatienceOptions): Patience {
  const { signal, noProgressMs, maxPauseMs, random, onWaiting, renewToken } = options
  const backoff = createBackoff({ firstMs: 500, maxMs: maxPauseMs, random })
  let progressAt = performance.now()
  let progress = 0
  let waiting = false
  /** All streams wait together: their obstacles are the same one. */
  let pause: Promise<void> | undefined

  const wait = async (reason: Problem, own: AbortSignal): Promise<void> => {
    waiting = true
    onWaiting(reason)
    pause ??= delay(backoff.next(reason), undefined, { signal })
      .catch(() => {})
      .then(() => {
        pause = undefined
      })
    const aborted = Promise.withResolvers<void>()
    const listener = () => aborted.resolve()
    own.addEventListener('abort', listener, { once: true })
    if (!own.aborted) await Promise.race([pause, aborted.promise])
    own.removeEventListener('abort', listener)
  }

  return {
    progressed() {
      progressAt = performance.now()
      progress += 1
      if (!waiting) return
      waiting = false
      backoff.reset()
      onWaiting(undefined)
    },
    async insist(attempt, own = signal) {
      let seen = progress
      let renewals = 0
      let strikes = 0
      for (;;) {
        own.throwIfAborted()
        const result = await attempt()
        if (result.ok) return result
        if (progress !== seen) {
          seen = progress
          renewals = 0
          strikes = 0
        }
        const attitude = attitudeTo(result.problem)
        if (attitude === 'fail') return result
        if (attitude === 'hold') progressAt = performance.now()
        if (attitude === 'strike' && ++strikes >= MOST_STRIKES) return result
        if (attitude.startsWith('renew') && ++renewals > MOST_RENEWALS) return result
        if (attitude === 'renewToken') {
          const renewed = await renewToken()
          if (!renewed.ok && attitudeTo(renewed.problem) === 'fail') return failed(renewed.problem)
        }
        if (performance.now() - progressAt > noProgressMs) return result
        // The first renewal is expected now and then; everything else is no reason to hurry.
        if (attitude.startsWith('renew') && renewals === 1) continue
        await wait(result.problem, own)
      }
    },
  }
}
