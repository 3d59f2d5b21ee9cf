import type { Clock } from '../clock.ts'

/** A clock that only the test turns. */
export interface ManualClock extends Clock {
  advance(ms: number): void
}

/** @param start milliseconds since 1970 */
export function createManualClock(start = Date.parse('2026-11-20T12:00:00Z')): ManualClock {
  let time = start
  return {
    now: () => time,
    advance(ms) {
      time += ms
    },
  }
}
