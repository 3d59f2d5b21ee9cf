/** Processes of the agent's own code, to be killed by tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'

export interface Child {
  process: ChildProcess
  /** Lines of its standard output so far. */
  lines: string[]
  /** Resolves with the next line that `wanted` takes; rejects when the process ends before. */
  line(wanted: (line: string) => boolean): Promise<string>
  /** kill -9, and waits for the end. */
  kill(): Promise<void>
}

/** Runs a module's text (TypeScript) in a process of its own. */
export function startChild(t: TestContext, source: string): Child {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const lines: string[] = []
  let look = () => {}
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line)
    look()
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.after(kill)
  return {
    process: child,
    lines,
    line: (wanted) =>
      new Promise((resolve, reject) => {
        look = () => {
          const found = lines.find(wanted)
          if (found !== undefined) resolve(found)
        }
        child.stdout.on('close', () => reject(new Error(`the process ended after: ${lines.join(' | ')}`)))
        look()
      }),
    kill,
  }
}
