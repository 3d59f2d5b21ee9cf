/** Processes of the agent's own code, to be killed by tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { TestContext } from 'node:test'

export interface Child {
  process: ChildProcess
  /** Lines of its standard output so far. */
  lines: string[]
  /** Resolves with the first line that `wanted` takes; rejects when the process ends without one. */
  line(wanted: (line: string) => boolean): Promise<string>
  /** The same for its standard error. */
  errors(wanted: (line: string) => boolean): Promise<string>
  /** kill -9, and waits for the end. */
  kill(): Promise<void>
}

/** Runs a module's text (TypeScript) in a process of its own. */
export function startChild(t: TestContext, source: string): Child {
  const child = spawn(process.execPath, ['--input-type=module-typescript', '--eval', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = once(child, 'exit')
  const output = linesOf(child.stdout)
  const errors = linesOf(child.stderr)
  const kill = async () => {
    child.kill('SIGKILL')
    await ended
  }
  t.after(kill)
  const orAll = (failure: Error) => Promise.reject(new Error(`${failure.message}\n${errors.lines.join('\n')}`))
  return {
    process: child,
    lines: output.lines,
    line: (wanted) => output.first(wanted).catch(orAll),
    errors: (wanted) => errors.first(wanted).catch(orAll),
    kill,
  }
}

function linesOf(stream: Readable) {
  const lines: string[] = []
  const changed = new EventEmitter()
  let open = true
  createInterface({ input: stream })
    .on('line', (line) => {
      lines.push(line)
      changed.emit('change')
    })
    .on('close', () => {
      open = false
      changed.emit('change')
    })
  return {
    lines,
    async first(wanted: (line: string) => boolean): Promise<string> {
      for (;;) {
        const found = lines.find(wanted)
        if (found !== undefined) return found
        if (!open) throw new Error(`the process ended after: ${lines.join(' | ')}`)
        await once(changed, 'change')
      }
    },
  }
}
