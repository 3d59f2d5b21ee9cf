import { run } from '../run.ts'

export interface CommandResult {
  code: number
  stdout: string
  stderr: string
  /** What `--json` printed. */
  readonly json: unknown
}

export interface CommandOptions {
  env?: Record<string, string>
  signal?: AbortSignal
  answer?: string
  /** To one question after the other. */
  answers?: string[]
  onOutput?: (text: string) => void
}

/** Runs a command line in this process, with everything it would get from a terminal. */
export async function sluice(args: string[], options: CommandOptions = {}): Promise<CommandResult> {
  let stdout = ''
  let stderr = ''
  const { answer } = options
  const answers = [...(options.answers ?? [])]
  const ask = answer === undefined && answers.length === 0 ? undefined : async () => answers.shift() ?? answer ?? ''
  const code = await run(args, {
    env: options.env ?? {},
    stdout: {
      write(text) {
        stdout += text
        options.onOutput?.(text)
      },
    },
    stderr: {
      write(text) {
        stderr += text
      },
    },
    signal: options.signal ?? new AbortController().signal,
    ask,
    askSecret: ask,
  })
  return {
    code,
    stdout,
    stderr,
    get json(): unknown {
      return JSON.parse(stdout)
    },
  }
}
