/** Wakes everybody who waits for news; nothing is lost between looking and waiting. */
export interface Bell {
  ring(): void
  /**
   * Starts to listen now. The function it returns waits until the bell has rung since, the time is
   * over or the signal aborts.
   */
  listen(): (timeoutMs: number, signal: AbortSignal) => Promise<void>
}

export function createBell(): Bell {
  let rings = 0
  const waiting = new Set<() => void>()
  return {
    ring() {
      rings++
      for (const wake of waiting) wake()
    },
    listen() {
      const heard = rings
      return async (timeoutMs, signal) => {
        if (rings !== heard || signal.aborted) return
        const { promise, resolve } = Promise.withResolvers<void>()
        const timer = setTimeout(resolve, timeoutMs)
        waiting.add(resolve)
        signal.addEventListener('abort', () => resolve(), { once: true })
        await promise
        clearTimeout(timer)
        waiting.delete(resolve)
      }
    },
  }
}
