/** What comes from outside while a run goes on: orders of its debugger, and word that a wish to pause came or went. */
import type { NumberedDebugOrder } from '@sluice/protocol'

export interface RunOrders {
  /** Orders of the debugger, as the present policy has them. */
  debug(): readonly NumberedDebugOrder[]
  setDebug(orders: readonly NumberedDebugOrder[]): void
  /** Something changed: whoever waits looks again. */
  tell(): void
  /** Waits until something changed, or the signal says to wait no longer. */
  comes(signal: AbortSignal): Promise<void>
}

export function createRunOrders(): RunOrders {
  const waiters = new Set<() => void>()
  let debug: readonly NumberedDebugOrder[] = []
  const tell = () => {
    for (const waiter of [...waiters]) waiter()
  }
  return {
    debug: () => debug,
    setDebug(orders) {
      debug = orders
      tell()
    },
    tell,
    comes: (signal) =>
      new Promise<void>((resolve) => {
        const done = () => {
          waiters.delete(done)
          signal.removeEventListener('abort', done)
          resolve()
        }
        waiters.add(done)
        signal.addEventListener('abort', done)
        if (signal.aborted) done()
      }),
  }
}
