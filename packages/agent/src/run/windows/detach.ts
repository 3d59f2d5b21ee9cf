/** Starts the runner so that it outlives the agent: outside of every job that the agent is in. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { stepProgram } from './step-program.ts'

const LOOK_MS = 250

/** Resolves when the process has ended, or could not be started. Never rejects. */
export async function runDetached(
  argv: readonly string[],
  { folder, environment }: { folder: string; environment: Record<string, string> },
): Promise<void> {
  try {
    const starter = spawn(stepProgram(), ['detach', ...argv], {
      ...{ cwd: folder, env: environment, windowsHide: true },
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    starter.unref()
    let said = ''
    starter.stdout.setEncoding('utf8').on('data', (part: string) => {
      said = (said + part).slice(-100)
    })
    await once(starter, 'close')
    const pid = Number(said.trim())
    while (pid > 0 && lives(pid)) await delay(LOOK_MS, undefined, { ref: false })
  } catch {
    // Nothing runs: the attempt stays unclaimed, and that is seen.
  }
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
