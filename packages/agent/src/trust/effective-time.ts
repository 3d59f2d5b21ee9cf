/** The device's time, which nobody turns back below what the site has signed (security-reliability §3.4, rule 1). */

export interface EffectiveTime {
  /** Milliseconds since 1970: the clock, but never below the floor. */
  now(): number
  /** What the clock of the device says. */
  clock(): number
  /** Raises the floor; a time below it changes nothing. */
  raise(ms: number): void
  /** Puts the floor anew, lower too: only for a new epoch of the site, whose clock may have been wrong before. */
  restart(ms: number): void
}

/** @param clock milliseconds since 1970, as the system says */
export function createEffectiveTime(clock: () => number): EffectiveTime {
  let floor = 0
  return {
    now: () => Math.max(clock(), floor),
    clock,
    raise(ms) {
      floor = Math.max(floor, ms)
    },
    restart(ms) {
      floor = ms
    },
  }
}
