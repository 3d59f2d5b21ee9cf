/**
 * Runs the command of a step, inside the runner: words without a shell, a clean environment, a time
 * limit that ends everything the step started.
 */
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { constants } from 'node:os'
import { delimiter } from 'node:path'
import type { Action, ActionOutcome } from '@sluice/engine'
import type { TraceLog } from './cmtrace-log.ts'
import type { ProcessIdentity } from './session.ts'
import { createStepOutput } from './step-output.ts'
import { endStep } from './step-processes.ts'
import { systemEnvironment } from './windows/environment.ts'
import { runInJob } from './windows/run-in-job.ts'

/** Where programs are found (SEC-77): never what the agent happened to be started with. */
export const STEP_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

/** What every program of a step finds. */
export const stepEnvironment = (): Record<string, string> & { PATH: string } =>
  process.platform === 'win32' ? systemEnvironment(process.env) : { PATH: STEP_PATH, HOME: '/root', LANG: 'C.UTF-8' }

const FOLLOW_MS = 250

export interface CommandCircumstances {
  /** The runner, which leads the session that the step lives in. */
  runner: ProcessIdentity
  log: TraceLog
  environment: Record<string, string>
  /** Folder with programs that steps may call; those of the system come first. */
  programFolder?: string | undefined
  /** A line for the program's standard input, which is empty otherwise. */
  input?: string | undefined
  /** Of the action's account; on Windows only. */
  password?: string | undefined
  /** Path without ending: the files of the step's output lie there while it runs. */
  outputPath: string
}

export async function runCommand(
  action: Extract<Action, { kind: 'command' }>,
  at: CommandCircumstances,
): Promise<Extract<ActionOutcome, { kind: 'exited' | 'timedOut' | 'couldNotStart' }>> {
  const [program, ...words] = asAccount(action)
  if (program === undefined || program === '') return { kind: 'couldNotStart', detail: 'The command line is empty.' }
  const folder = action.workingDirectory
  if (folder !== undefined && !statSync(folder, { throwIfNoEntry: false })?.isDirectory())
    return { kind: 'couldNotStart', detail: `There is no folder ${folder} to start in.` }

  const say = (...lines: string[]) =>
    at.log.write(...lines.map((text) => ({ text, component: 'RunCommandLine', level: 'info' as const })))
  say(action.hidden ? 'Executing command line: (hidden)' : `Executing command line: ${action.argv.join(' ')}`)
  const output = createStepOutput(`${at.outputPath}.out`, (lines) => say(...lines))
  const errors = createStepOutput(`${at.outputPath}.err`, (lines) => say(...lines))

  const system = stepEnvironment()
  const path = [system.PATH, ...(at.programFolder === undefined ? [] : [at.programFolder])].join(delimiter)
  const environment = { ...system, PATH: path, ...at.environment }
  let timedOut = false
  const limit = action.timeoutMs === undefined ? undefined : setTimeout(() => void expire(), action.timeoutMs)
  const expire = async () => {
    timedOut = true
    await endStep(at.runner)
  }
  const follower = setInterval(() => {
    output.follow()
    errors.follow()
  }, FOLLOW_MS)
  const { runner, input, password } = at
  const { account } = action
  const ended =
    process.platform === 'win32'
      ? await runInJob(action.argv, {
          ...{ runner, folder, environment, account, password, input, output: output.fd, errors: errors.fd },
          resultPath: `${at.outputPath}.end`,
        })
      : await runInSession(program, words, {
          ...{ cwd: folder, env: environment, input, output: output.fd, errors: errors.fd },
        })
  clearTimeout(limit)
  clearInterval(follower)
  errors.end()
  const tail = output.end()

  if ('detail' in ended) return { kind: 'couldNotStart', detail: ended.detail }
  if (timedOut) {
    // The first process is gone; what it left behind must not outlive the step's limit either.
    await endStep(at.runner)
    at.log.write({ text: 'The step took too long and was ended.', component: 'RunCommandLine', level: 'error' })
    return { kind: 'timedOut' }
  }
  say(`Process completed with exit code ${ended.exitCode}`)
  return { kind: 'exited', exitCode: ended.exitCode, output: tail }
}

/** Words that run the command as another account of this system; root needs no password for that. */
const asAccount = ({ account, argv }: Extract<Action, { kind: 'command' }>): string[] =>
  account === undefined ? argv : ['runuser', '--user', account, '--', ...argv]

/** The runner leads a session: whatever the program starts is in it. */
function runInSession(
  program: string,
  words: string[],
  at: {
    cwd: string | undefined
    env: Record<string, string>
    input: string | undefined
    output: number
    errors: number
  },
): Promise<{ exitCode: number } | { detail: string }> {
  return new Promise((resolve) => {
    // Thrown, or emitted: Node does both, by the kind of error.
    const refuse = (error: unknown) =>
      resolve({ detail: `${program}: ${error instanceof Error ? error.message : error}` })
    try {
      const child = spawn(program, words, {
        ...{ cwd: at.cwd, env: at.env },
        stdio: [at.input === undefined ? 'ignore' : 'pipe', at.output, at.errors],
      })
      child.on('error', refuse).on('exit', (code, signal) => resolve({ exitCode: code ?? 128 + signalNumber(signal) }))
      // A program that ends without reading it breaks the pipe, and its exit code says what became of it.
      child.stdin?.on('error', () => {}).end(`${at.input}\n`)
    } catch (error) {
      refuse(error)
    }
  })
}

/** As a shell reports it: 128 and the number of the signal. */
function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal]
}
