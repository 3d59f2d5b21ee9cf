/** How long to wait after a failure: doubling, with jitter, so that a fleet does not come back all at once. */
import type { Problem } from '@sluice/protocol'

export interface Backoff {
  /** Milliseconds until the next try; never less than what the other side asked for. */
  next(reason?: Problem): number
  /** It worked. */
  reset(): void
}

export interface BackoffOptions {
  firstMs: number
  maxMs: number
  /** From 0 to 1, as `Math.random`. */
  random: () => number
}

/** A whole day is the longest that a server may ask a device to wait. */
const LONGEST_ASKED_MS = 24 * 3600_000

export function createBackoff({ firstMs, maxMs, random }: BackoffOptions): Backoff {
  let failures = 0
  return {
    next(reason) {
      const full = Math.min(maxMs, firstMs * 2 ** Math.min(failures, 30))
      failures++
      const asked = Math.min(reason?.retryAfterMs ?? 0, LONGEST_ASKED_MS)
      // Half is certain, so that nobody hammers; half is chance, so that nobody marches in step.
      return Math.round(Math.max(asked, full / 2) + (random() * full) / 2)
    },
    reset() {
      failures = 0
    },
  }
}
