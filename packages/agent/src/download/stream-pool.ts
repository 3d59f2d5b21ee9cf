/**
 * The streams of one download: each takes the next range of the first page that has one, until nothing is
 * left. Pages that follow one another share them, so the line is never idle because a page ends.
 */
import type { Line } from './budget/line.ts'
import { rangeSize } from './frame-plan.ts'
import type { StreamCount } from './stream-count.ts'

/** Ranges of one page. */
export interface RangeSource {
  /** Bytes that were not given out; 0 when it wants no more streams. */
  leftBytes(): number
  /**
   * Brings the next range, of at most `maxBytes` or one frame; with `split` also of a stretch of one. Settles when
   * it is there or given up; never rejects.
   */
  bring(maxBytes: number, split: boolean): Promise<{ broughtBytes: number }>
}

export interface StreamPool {
  /** Gives the source streams, after those that came before; returns what takes it away. */
  add(source: RangeSource): () => void
  /** Bytes were received. */
  received(bytes: number): void
  /** A request was answered after this time. */
  answered(latencyMs: number): void
  /** Resolves when so little is left to give out that more is wanted. */
  hungry(): Promise<void>
  /** No source comes after those that there are: the last ranges are cut so that all streams end together. */
  ending(): void
  /** Ends the watching. */
  close(): void
}

/** With less than this left to give out, the next page is wanted: getting it ready takes a while. */
const LOW_WATER_BYTES = 4 * 1024 * 1024
/** Before so much has come, too little is known of the streams: a small content comes in few reads. */
const SHORT_BYTES = 2 * 1024 * 1024
/** How much of what is known of a stream's rate stays with each range. */
const KEPT = 0.8

/** @param line may allow fewer streams and shorter ranges than would be best */
export function createStreamPool(count: StreamCount, line?: Pick<Line, 'mostStreams' | 'mostRangeBytes'>): StreamPool {
  const most = () => Math.min(count.streams(), line?.mostStreams() ?? Number.POSITIVE_INFINITY)
  const sources = new Set<RangeSource>()
  const waiting: (() => void)[] = []
  let running = 0
  let receivedBytes = 0
  let ending = false
  /** Of the last ranges; the older one is, the less it counts. */
  let brought = { bytes: 0, milliseconds: 0 }
  let timer: NodeJS.Timeout | undefined

  /**
   * Of one stream, in bytes per millisecond. Over several ranges: after one that was fast by chance, the last
   * ranges would be long, and the line would end with a few slow streams.
   */
  const rate = () => (brought.milliseconds === 0 ? undefined : brought.bytes / brought.milliseconds)
  const leftBytes = () => [...sources].reduce((sum, source) => sum + source.leftBytes(), 0)
  const isEnding = () => ending && receivedBytes >= SHORT_BYTES
  const tellHungry = () => {
    if (leftBytes() >= LOW_WATER_BYTES) return
    for (const resolve of waiting.splice(0)) resolve()
  }
  /** @param own rate of the stream that asks: a slow one would be the last with a share as large as others have */
  const nextSize = (own: number | undefined) => {
    const all = rate()
    const part = own === undefined || all === undefined || !isEnding() ? 1 : Math.min(1, own / all)
    const size = rangeSize(leftBytes() * part, most(), all === undefined ? undefined : all * part, isEnding())
    return Math.min(size, line?.mostRangeBytes() ?? Number.POSITIVE_INFINITY)
  }
  /** A limited line asks for whole frames only: a budget must have enough left for what is begun. */
  const maySplit = () =>
    isEnding() && most() > 1 && !Number.isFinite(line?.mostRangeBytes() ?? Number.POSITIVE_INFINITY)
  const stream = async () => {
    let own: number | undefined
    while (running <= most()) {
      const source = [...sources].find((one) => one.leftBytes() > 0)
      if (source === undefined) break
      const began = performance.now()
      const work = source.bring(nextSize(own), maySplit())
      tellHungry()
      const { broughtBytes } = await work
      if (broughtBytes === 0) continue
      const milliseconds = Math.max(1, performance.now() - began)
      own = broughtBytes / milliseconds
      brought = {
        bytes: brought.bytes * KEPT + broughtBytes,
        milliseconds: brought.milliseconds * KEPT + milliseconds,
      }
    }
    running -= 1
  }
  const fill = () => {
    while (running < most() && leftBytes() > 0) {
      running += 1
      void stream()
    }
  }
  const look = () => {
    count.observe(performance.now(), receivedBytes, running)
    fill()
    timer = setTimeout(look, count.intervalMs())
  }

  return {
    add(source) {
      sources.add(source)
      if (timer === undefined) look()
      else fill()
      return () => {
        sources.delete(source)
        tellHungry()
      }
    },
    received(bytes) {
      receivedBytes += bytes
    },
    answered: count.answered,
    async hungry() {
      if (leftBytes() >= LOW_WATER_BYTES) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    ending() {
      ending = true
    },
    close: () => clearTimeout(timer),
  }
}
