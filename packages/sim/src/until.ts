import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Asks again and again until there is an answer, and returns it.
 * @param ask undefined or false: not yet
 * @param what is waited for, for the error; @param limitMs how long, five minutes unless said
 */
export async function until<T>(
  ask: () => Promise<T | undefined | false> | T | undefined | false,
  what: string,
  limitMs = 300_000,
): Promise<T> {
  const end = performance.now() + limitMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > end) throw new Error(`waited ${Math.round(limitMs / 1000)} s for ${what}`)
    await sleep(50)
  }
}
