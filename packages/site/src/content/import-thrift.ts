/**
 * How the collector of this process works while an import runs. What an import makes lives briefly and does not
 * grow with it; left to itself, V8 lets as much garbage gather as there is memory.
 */
import { setFlagsFromString } from 'node:v8'

/** V8 collects the old generation when it has grown by so much since the last time, in percent; 0: V8 decides. */
const OLD_GROWTH_PERCENT = 20
/** What V8 multiplies the young generation with under load. */
const YOUNG_GROWTH = 2

/** The young generation stays as small as it is, and the old one is collected early, until the result is disposed. */
export function collectEarly(): Disposable {
  setFlagsFromString('--semi-space-growth-factor=1')
  setFlagsFromString(`--heap-growing-percent=${OLD_GROWTH_PERCENT}`)
  return {
    [Symbol.dispose]() {
      setFlagsFromString(`--semi-space-growth-factor=${YOUNG_GROWTH}`)
      setFlagsFromString('--heap-growing-percent=0')
    },
  }
}
