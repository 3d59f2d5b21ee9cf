/** Does the work for all of them, some at a time; the first that fails ends the others that have not begun. */
export async function several<T>(
  all: readonly T[],
  atOnce: number,
  signal: AbortSignal,
  work: (one: T) => Promise<void>,
): Promise<void> {
  const queue = all.values()
  let failed = false
  const worker = async () => {
    for (const one of queue) {
      if (failed) return
      signal.throwIfAborted()
      try {
        await work(one)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const settled = await Promise.allSettled(Array.from({ length: Math.min(atOnce, all.length) }, worker))
  for (const one of settled) if (one.status === 'rejected') throw one.reason
}
