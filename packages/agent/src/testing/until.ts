import { setTimeout as sleep } from 'node:timers/promises'

/** Waits for a condition, not for a time; fails loudly when it never comes, also on a machine that is slow. */
export async function until(what: string, holds: () => boolean | Promise<boolean>, limitMs = 120_000): Promise<void> {
  const end = performance.now() + limitMs
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`never happened: ${what}`)
    await sleep(2)
  }
}
