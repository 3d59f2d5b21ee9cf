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
 *   B4. What is asked for under a budget is set aside before it is asked for, whole: no frame begins for which
 *       there is not enough left, so a budget brings frames, however small it is. It also has few streams and
 *       short ranges.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { type ClientSettings, type Problem, problem } from '@sluice/protocol'
import type { MeteredProbe } from './metered-probe.ts'
import type { MeteredUse } from './metered-use.ts'
import { createTokenBucket } from './token-bucket.ts'
import { allowanceAt, localTime } from './transfer-window.ts'

export interface Line {
  /** Why so many bytes may not be asked for now; undefined: they may, and count as under way (B4). */
  admit(bytes: number): Promise<Problem | undefined>
  /** So many of the bytes that were admitted will not come. */
  givenUp(bytes: number): void
  /** Bytes came. A promise: nothing more until it resolves. A problem: the line is closed from now on. */
  passed(bytes: number): Promise<void> | Problem | undefined
  /** Streams, and bytes of one range, that make sense at the present rate and with what a budget has left. */
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
/** What is under way at once is at most this share of what a budget has left. */
const BUDGET_SHARE = 1 / 4

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
  /** Bytes that were admitted and have not come. */
  let underWay = 0
  /** Of the budget that binds now: what neither came nor is under way. */
  const budgetLeft = (): number => {
    const { use: how, budgetBytes, budgetPer } = settings().meteredInternet
    if (how !== 'limit' || !probe.last()) return Number.POSITIVE_INFINITY
    return budgetBytes - use.used(budgetPer, now()) - underWay
  }
  const isLimited = () => rate() !== undefined || budgetLeft() < Number.POSITIVE_INFINITY

  /** @param wanted bytes that are to be asked for */
  const closed = (wanted: number): Problem | undefined => {
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
    if (used < budgetBytes && wanted <= budgetLeft()) return undefined
    const next = used < budgetBytes ? `, and what comes next has ${inMiB(wanted)}` : ''
    return problem(
      'METERED_BUDGET_SPENT',
      `${inMiB(used)} of ${inMiB(budgetBytes)} were used this ${budgetPer}${next}.`,
    )
  }

  return {
    async admit(bytes) {
      if (settings().meteredInternet.use !== 'allow') await probe.look()
      const reason = closed(bytes)
      if (reason === undefined) underWay += bytes
      return reason
    },
    givenUp(bytes) {
      underWay = Math.max(0, underWay - bytes)
    },
    passed(bytes) {
      underWay = Math.max(0, underWay - bytes)
      if (probe.last()) use.add(bytes, now())
      const reason = closed(0)
      if (reason !== undefined) return reason
      const limit = rate()
      const waitMs = limit === undefined ? 0 : bucket.take(bytes, limit)
      return waitMs < 1 ? undefined : sleep(waitMs).then(() => {})
    },
    mostStreams() {
      const limit = rate()
      const byRate = limit === undefined ? Number.POSITIVE_INFINITY : limit / STREAM_BYTES_PER_SECOND
      const byBudget = ((budgetLeft() + underWay) * BUDGET_SHARE) / RANGE_BYTES
      return Math.max(1, Math.floor(Math.min(byRate, byBudget)))
    },
    mostRangeBytes: () => (isLimited() ? RANGE_BYTES : Number.POSITIVE_INFINITY),
  }
}

/** Small ones with a decimal. */
function inMiB(bytes: number): string {
  const value = bytes / MiB
  return `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} MiB`
}
