/** The site's time. Tests turn it by hand. */
export interface Clock {
  /** Milliseconds since 1970, UTC. */
  now(): number
}

export const systemClock: Clock = { now: () => Date.now() }

/** As the wire has it: RFC 3339, UTC. @param ms since 1970 */
export const timestamp = (ms: number): string => new Date(ms).toISOString()
