/** The roles of the catalogue: how long each signature is good for, and when it is renewed. */

const HOUR = 3600_000
const DAY = 24 * HOUR

/**
 * Targets are spread over 16 bins by the first digit of the SHA-256 of their names, so that a device
 * fetches the lists that it needs and not the whole catalogue. All bins have one delegator and no
 * delegations of their own (SEC-41). The number is fixed: changing it would move every target.
 */
export const bins = [...'0123456789abcdef'].map((digit) => ({ role: `bin-${digit}`, prefix: digit }))

export type OnlineRole = 'root' | 'targets' | 'snapshot' | 'timestamp'

/** Life of a signature, and how much of it is left when it is renewed, in milliseconds (security-reliability §3.2). */
export const lives: Record<OnlineRole, { lifeMs: number; renewMs: number }> = {
  root: { lifeMs: 365 * DAY, renewMs: 90 * DAY },
  /** The bins too. */
  targets: { lifeMs: 90 * DAY, renewMs: 30 * DAY },
  snapshot: { lifeMs: 7 * DAY, renewMs: 4 * DAY },
  timestamp: { lifeMs: 24 * HOUR, renewMs: 23 * HOUR },
}

/** How often to look whether something must be renewed: the timestamp, every hour. */
export const RENEWAL_INTERVAL_MS = HOUR / 2

/** Nobody asks for metadata that was superseded longer ago than a timestamp lives. Twice that is kept. */
export const SUPERSEDED_KEPT_MS = 2 * DAY
