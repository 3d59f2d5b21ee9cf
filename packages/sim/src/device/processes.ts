/** Finds processes of a device from outside: they are in its namespace, and in our `/proc`. */
import { readdir, readFile } from 'node:fs/promises'

/** Process ids whose command line holds all the words. Linux only. */
export async function processesWith(...words: string[]): Promise<number[]> {
  const found: number[] = []
  for (const name of await readdir('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const line = await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')
    if (words.every((word) => line.includes(word))) found.push(Number(name))
  }
  return found
}

/** Kills the agent of a configuration as nothing can refuse; its init starts it again. */
export const killAgent = (configuration: string): Promise<number> => signalAgent(configuration, 'SIGKILL')

/** Sends the agent of a configuration a signal. @returns how many processes got it */
export async function signalAgent(configuration: string, signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<number> {
  let killed = 0
  for (const pid of await processesWith('sluice-agent.ts', configuration)) {
    // The init and its firmware have the same words in their command lines: only Node itself is meant.
    const program = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).split('\0')[1] ?? ''
    if (!program.endsWith('sluice-agent.ts')) continue
    try {
      process.kill(pid, signal)
      killed += 1
    } catch {
      // It was gone already.
    }
  }
  return killed
}
