/** How old may be what the site signed, for something new to start (design §5). */
import { type Problem, problem } from '@sluice/protocol'

export interface Freshness {
  /** When the site was last heard, milliseconds since 1970. */
  freshAt: number
  /** When its signature expires, milliseconds since 1970. */
  expiresAt: number
}

/**
 * A signature that has not expired is enough; after that, `offlineStartMs` count from the last time
 * that the site was heard.
 */
export function stale(what: string, freshness: Freshness | undefined, offlineStartMs: number, now: number) {
  if (freshness === undefined) return problem('POLICY_STALE', `This device has no ${what} yet.`)
  const until = Math.max(freshness.expiresAt, freshness.freshAt + offlineStartMs)
  if (now < until) return undefined
  const text = (ms: number) => new Date(ms).toISOString()
  return problem(
    'POLICY_STALE',
    `The last fresh ${what} is of ${text(freshness.freshAt)}; new runs could start until ${text(until)}.`,
  ) satisfies Problem
}
