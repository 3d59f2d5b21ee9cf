/**
 * How large V8's young generation gets. Left to itself it grows with any traffic and stays large for hours,
 * also with content, whose bytes pass through buffers outside of V8's heap: measured, 75 MB for nothing. Kept
 * as small as it begins, thousands of polls a second are collected while they are under way: a third of the
 * processor time. So it grows, as far as polls need it, and not while content is pulled: every buffer that came over the
 * link stays in it until it is collected, and a large one took 60 MB more.
 */
import { PerformanceObserver } from 'node:perf_hooks'
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8'

/** Both halves together. V8 doubles it, so it ends between this and twice as much. */
const ENOUGH_BYTES = 12_000_000

let pulls = 0

/** It grows no further until this is disposed. */
export function holdYoungGeneration(): Disposable {
  pulls += 1
  return {
    [Symbol.dispose]() {
      pulls -= 1
    },
  }
}

/** From now on, for the whole process. */
export function boundYoungGeneration(): void {
  const look = () => {
    const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space')
    const mayGrow = pulls === 0 && (young?.space_size ?? 0) < ENOUGH_BYTES
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`)
  }
  new PerformanceObserver(look).observe({ entryTypes: ['gc'] })
}
