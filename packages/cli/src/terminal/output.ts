/**
 * What people and programs read. Text is for people and never holds a control character that came
 * from elsewhere; with `--json` standard output holds JSON and nothing else.
 */
import { formatDetail } from '@sluice/engine'
import { type Problem, problem, problems } from '@sluice/protocol'
import { printable } from './text.ts'

export interface OutputStream {
  write(text: string): unknown
  isTTY?: boolean
}

export class Output {
  readonly json: boolean
  /** Standard error, when a person looks at it. */
  readonly terminal: OutputStream | undefined
  /** Whether a person looks at what is answered, and no program. */
  readonly person: boolean
  readonly #stdout: OutputStream
  readonly #stderr: OutputStream

  constructor(streams: { stdout: OutputStream; stderr: OutputStream }, options: { json: boolean }) {
    this.json = options.json
    this.person = streams.stdout.isTTY === true && !options.json
    this.#stdout = streams.stdout
    this.#stderr = streams.stderr
    this.terminal = streams.stderr.isTTY === true && !options.json ? streams.stderr : undefined
  }

  /** The answer of a command: lines of text, or the value itself. */
  result(value: unknown, lines: () => string[]): void {
    if (this.json) this.#stdout.write(`${JSON.stringify(value)}\n`)
    else for (const line of lines()) this.#stdout.write(`${printable(line)}\n`)
  }

  /** News on the way, for people only. */
  note(line: string): void {
    if (!this.json) this.#stderr.write(`${printable(line)}\n`)
  }

  /** Faults in files first, each on a line that editors can jump to; then what it is and what to do. */
  problem(reason: Problem): void {
    if (this.json) {
      this.#stdout.write(`${JSON.stringify({ problem: reason })}\n`)
      return
    }
    const { title, remedy } = problems[reason.code]
    const lines = [
      ...(reason.errors ?? []).map(formatDetail),
      `${title}. (${reason.code})`,
      reason.detail,
      `What to do: ${remedy}`,
    ]
    for (const line of lines) this.#stderr.write(`${printable(line)}\n`)
  }

  /** Something on this side. */
  localFailure(message: string): void {
    if (this.json) this.#stdout.write(`${JSON.stringify({ problem: problem('BAD_REQUEST', message) })}\n`)
    else this.#stderr.write(`${printable(message)}\n`)
  }
}
