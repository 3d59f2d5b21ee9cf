/** Waits that somebody else can cut short: a loop sleeps on its bell, others ring it. */
export interface Bell {
  /** Ends the present wait, or the next one when nobody waits. */
  ring(): void
  /** Ends when rung, when the time is over or when `signal` aborts. Never rejects. */
  wait(timeoutMs: number, signal: AbortSignal): Promise<'rung' | 'elapsed' | 'aborted'>
}

/** Longest time that a timer can hold. */
const MAX_TIMER_MS = 2 ** 31 - 1

export function createBell(): Bell {
  let rung = false
  let wake: (() => void) | undefined
  return {
    ring() {
      rung = true
      wake?.()
    },
    wait(timeoutMs, signal) {
      return new Promise((resolve) => {
        const end = (how: 'rung' | 'elapsed' | 'aborted') => {
          clearTimeout(timer)
          signal.removeEventListener('abort', onAbort)
          wake = undefined
          if (how === 'rung') rung = false
          resolve(how)
        }
        const onAbort = () => end('aborted')
        const timer = setTimeout(() => end('elapsed'), Math.min(timeoutMs, MAX_TIMER_MS))
        signal.addEventListener('abort', onAbort)
        wake = () => end('rung')
        if (signal.aborted) end('aborted')
        else if (rung) end('rung')
      })
    },
  }
}
