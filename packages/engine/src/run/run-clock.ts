import type { Host } from '../host.ts'
import type { RunState } from './run-state.ts'

/** The time that a run takes while this process carries it (R9 of run.ts); on the rising clock. */
export class RunClock {
  readonly #host: Pick<Host, 'monotonicMs'>
  /** Up to when it is counted. */
  #countedMs: number

  constructor(host: Pick<Host, 'monotonicMs'>) {
    this.#host = host
    this.#countedMs = host.monotonicMs()
  }

  /** Milliseconds that came since the last count; they are counted now. */
  count(): number {
    const [before, now] = [this.#countedMs, this.#host.monotonicMs()]
    this.#countedMs = now
    return now - before
  }

  /** Milliseconds that the run may still take; undefined: no bound. */
  leftMs({ limitMs, activeMs = 0, ending }: RunState): number | undefined {
    if (limitMs === undefined || ending !== undefined) return undefined
    return Math.max(0, limitMs - activeMs - (this.#host.monotonicMs() - this.#countedMs))
  }
}
