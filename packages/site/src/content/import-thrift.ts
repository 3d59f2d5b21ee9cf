/**
 * How the collector of this process works while content is imported and goes out to gateways. What that makes
 * lives briefly and does not grow with the content; left to itself, V8 lets as much garbage gather as there is
 * memory. Not at other times: requests of thousands of devices at once need a large young generation.
 */
import { setFlagsFromString } from 'node:v8'

/** V8 collects the old generation when it has grown by so much since the last time, in percent; 0: V8 decides. */
const OLD_GROWTH_PERCENT = 20
/** What V8 multiplies the young generation with under load. */
const YOUNG_GROWTH = 2
/** What is imported is distributed next, object by object. */
const LINGER_MS = 30_000

/** Flags of V8 hold for the whole process, and so does this. */
let holders = 0
let lingering: NodeJS.Timeout | undefined

function setGrowth(youngFactor: number, oldPercent: number): void {
  setFlagsFromString(`--semi-space-growth-factor=${youngFactor}`)
  setFlagsFromString(`--heap-growing-percent=${oldPercent}`)
}

export interface EarlyCollection extends Disposable {
  /** It is not worth its time after all: at once as before, unless somebody else wants it. */
  waive(): void
}

/** Until half a minute after the last one was disposed, the young generation stays as small as it is, and the old one is collected early. */
export function collectEarly(): EarlyCollection {
  if (holders++ === 0 && lingering === undefined) setGrowth(1, OLD_GROWTH_PERCENT)
  clearTimeout(lingering)
  lingering = undefined
  let held = true
  const letGo = () => {
    if (held) holders -= 1
    const last = held && holders === 0
    held = false
    return last
  }
  return {
    waive() {
      if (letGo()) setGrowth(YOUNG_GROWTH, 0)
    },
    [Symbol.dispose]() {
      if (!letGo()) return
      lingering = setTimeout(() => {
        lingering = undefined
        setGrowth(YOUNG_GROWTH, 0)
      }, LINGER_MS).unref()
    },
  }
}
