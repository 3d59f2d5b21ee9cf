/**
 * How many ranges are fetched at the same time: as many as the line rewards. One stream starves on a line
 * that loses packets, and more than the line needs only take bandwidth from others; so what counts is
 * what more streams bring, measured.
 *
 * A state machine without clock or sockets: `observe` is told the time and the bytes.
 *
 *   settling   the number has just changed; new connections are being made, nothing is measured
 *   judging    measuring what the new number brings
 *   steady     the number is good; when the rate falls, and after a while in any case, it is tried again
 *              whether more would be better; each time in vain, the while is twice as long
 *
 *   N1. A larger number stays only when it brought a tenth more than the smaller one did.
 *   N2. An interval in which not every stream had work says nothing about the line.
 *   N3. Never more than `most`, never fewer than `first`.
 *   N4. On a line that brings as much as a processor can check, more streams cost memory and bring nothing.
 *   N5. A lost packet holds up what came after it, which then comes at once: one interval says little. Numbers
 *       are compared over two, and a fall is one of the mean.
 */
export type StreamState =
  | { kind: 'settling'; before: Rate }
  | { kind: 'judging'; before: Rate; first?: number }
  | { kind: 'steady'; intervals: number; best: number; mean: number }

/** What a number of streams brought, in bytes per millisecond. */
interface Rate {
  streams: number
  rate: number
}

export interface StreamCount {
  /** Ranges that may be fetched at the same time now. */
  streams(): number
  /** When to look again, in milliseconds from the last look. */
  intervalMs(): number
  /** A request was answered after this time. */
  answered(latencyMs: number): void
  /** @param busy streams that have work; @param receivedBytes since the beginning */
  observe(nowMs: number, receivedBytes: number, busy: number): void
  state(): StreamState
}

const WORTH_IT = 1.1
/** 100 MB a second. */
const ENOUGH = 100_000
const SHORTEST_INTERVAL_MS = 300
const LONGEST_INTERVAL_MS = 3_000
/** A new stream needs about two round trips to connect, and two more until it is fast. */
const ROUND_TRIPS = 4
/** Intervals after which a line may have become another one. */
const STEADY_INTERVALS = 10
/** Streams begin fast and are slowed by the first loss: then the number was chosen too soon. */
const FALLEN = 0.8
/** How much of the mean stays with each interval. */
const KEPT = 0.85

/** @param first streams to begin with; @param most streams at any time */
export function createStreamCount({ first, most }: { first: number; most: number }): StreamCount {
  let streams = Math.min(first, most)
  let state: StreamState = { kind: 'settling', before: { streams, rate: 0 } }
  let latencyMs = Number.POSITIVE_INFINITY
  let from: { atMs: number; bytes: number } | undefined
  let patience = STEADY_INTERVALS

  const raise = (rate: number) => {
    const before = { streams, rate }
    // N4
    if (streams === most || rate >= ENOUGH) return steady(rate)
    streams = Math.min(most, streams * 2)
    state = { kind: 'settling', before }
  }
  const steady = (best: number) => {
    state = { kind: 'steady', intervals: 0, best, mean: best }
  }
  const judge = (rate: number, before: Rate) => {
    // N1
    if (rate >= before.rate * WORTH_IT) return raise(rate)
    streams = before.streams
    patience *= 2
    steady(before.rate)
  }

  return {
    streams: () => streams,
    intervalMs: () =>
      Number.isFinite(latencyMs)
        ? Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, ROUND_TRIPS * latencyMs))
        : SHORTEST_INTERVAL_MS,
    answered(ms) {
      latencyMs = Math.min(latencyMs, ms)
    },
    observe(nowMs, receivedBytes, busy) {
      const since = from
      from = { atMs: nowMs, bytes: receivedBytes }
      // N2
      if (busy < streams || since === undefined || nowMs <= since.atMs) return
      const rate = (receivedBytes - since.bytes) / (nowMs - since.atMs)
      switch (state.kind) {
        case 'settling':
          // Nothing has come yet: connections are still being made.
          if (rate > 0) state = { kind: 'judging', before: state.before }
          return
        case 'judging':
          // N5; nothing is compared at the beginning.
          if (state.first !== undefined || state.before.rate === 0)
            return judge((rate + (state.first ?? rate)) / 2, state.before)
          state = { ...state, first: rate }
          return
        case 'steady': {
          const mean = state.mean * KEPT + rate * (1 - KEPT)
          state = { kind: 'steady', intervals: state.intervals + 1, best: Math.max(mean, state.best), mean }
          if (state.intervals >= patience || mean < state.best * FALLEN) raise(mean)
        }
      }
    },
    state: () => state,
  }
}
