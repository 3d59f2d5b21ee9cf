/**
 * What of the line content may use: one for the whole agent, whoever fetches and for whose sake.
 *
 * Owns: rate, times and budget, as the client settings say now. Does not own: waiting when it is closed
 * (patience), or how many streams a line rewards.
 *
 *   B1. Every byte of content that comes in passes here, pages too, wanted or not.
 *   B2. A rate binds all streams together. So that it also binds what the system takes in ahead of us, a
 *       limited line has few streams and short ranges.
 *   B3. A line that closes says so at once, with a problem that people see; what is under way ends, and
 *       nothing that was right comes again.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ClientSettings, type Problem, problem } from '@sluice/protocol'
import type { MeteredProbe } from './metered-probe.ts'
import type { MeteredUse } from './metered-use.ts'
import { createTokenBucket } from './token-bucket.ts'
import { allowanceAt, localTime } from './transfer-window.ts'

export interface Line {
  /** Why nothing may be asked for now; undefined: it may. */
  admit(): Promise<Problem | undefined>
  /** Bytes came. A promise: nothing more until it resolves. A problem: the line is closed from now on. */
  passed(bytes: number): Promise<void> | Problem | undefined
  /** Streams, and bytes of one range, that make sense at the present rate. */
  mostStreams(): number
  mostRangeBytes(): number
}

type LineSettings = Pick<ClientSettings, 'contentTransfer' | 'meteredInternet'>

const KiB = 1024
const MiB = 1024 * KiB
/** A stream of a limited line has at least this rate, so that it does not look dead to the other side. */
const STREAM_BYTES_PER_SECOND = 64 * KiB
/** Keeps no process alive. */
const pause = (ms: number) => delay(ms, undefined, { ref: false })
/** One range of a limited line. */
const RANGE_BYTES = 256 * KiB

/**
 * @param options.settings as they are when they are asked for
 * @param options.now milliseconds since 1970
 * @param options.monotonicMs a clock that only rises
 * @param options.sleep waits on that clock
 */
export function createLine(options: {
  settings: () => LineSettings
  now: () => number
  monotonicMs: () => number
  sleep?: (ms: number) => Promise<unknown>
  probe: MeteredProbe
  use: MeteredUse
}): Line {
  const { settings, now, monotonicMs, sleep = pause, probe, use } = options
  const bucket = createTokenBucket(monotonicMs)

  const rate = () => {
    const allowed = allowanceAt(settings().contentTransfer, localTime(now()))
    return allowed.kind === 'open' ? allowed.bytesPerSecond : undefined
  }
  const closed = (): Problem | undefined => {
    const { contentTransfer, meteredInternet } = settings()
    if (allowanceAt(contentTransfer, localTime(now())).kind === 'closed') {
      const { windowStart, windowEnd, windowDays } = contentTransfer
      return problem(
        'DOWNLOAD_NOT_NOW',
        `Content comes from ${windowStart} to ${windowEnd}, on ${windowDays.length === 0 ? 'no day' : windowDays.join(', ')}.`,
      )
    }
    if (!probe.last() || meteredInternet.use === 'allow') return undefined
    if (meteredInternet.use === 'block')
      return problem(
        'METERED_BLOCKED',
        'Client settings: Client communication on metered internet connections = Block.',
      )
    const { budgetBytes, budgetPer } = meteredInternet
    const used = use.used(budgetPer, now())
    if (used < budgetBytes) return undefined
    const inMiB = (bytes: number) => `${Math.round(bytes / MiB)} MiB`
    return problem('METERED_BUDGET_SPENT', `${inMiB(used)} of ${inMiB(budgetBytes)} were used this ${budgetPer}.`)
  }

  return {
    async admit() {
      if (settings().meteredInternet.use !== 'allow') await probe.look()
      return closed()
    },
    passed(bytes) {
      if (probe.last()) use.add(bytes, now())
      const reason = closed()
      if (reason !== undefined) return reason
      const limit = rate()
      const waitMs = limit === undefined ? 0 : bucket.take(bytes, limit)
      return waitMs < 1 ? undefined : sleep(waitMs).then(() => {})
    },
    mostStreams() {
      const limit = rate()
      return limit === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(limit / STREAM_BYTES_PER_SECOND))
    },
    mostRangeBytes: () => (rate() === undefined ? Number.POSITIVE_INFINITY : RANGE_BYTES),
  }
}
