/**
 * Runs the command of a step, inside the runner: words without a shell, a clean environment, a time
 * limit that ends everything the step started.
 */
import { spawn } from 'node:child_process'
import { statSync } from 'node:fs'
import { constants } from 'node:os'
import type { Action, ActionOutcome } from '@sluice/engine'
import type { TraceLog } from './cmtrace-log.ts'
import { type ProcessIdentity, sessionMembers, signalMembers } from './session.ts'
import { createStepOutput } from './step-output.ts'

/** Where programs are found (SEC-77): never what the agent happened to be started with. */
export const STEP_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

const FOLLOW_MS = 250
/** From the polite signal to the other one. */
const KILL_GRACE_MS = 3_000

export interface CommandCircumstances {
  /** The runner, which leads the session that the step lives in. */
  runner: ProcessIdentity
  log: TraceLog
  environment: Record<string, string>
  /** Folder with programs that steps may call; those of the system come first. */
  programFolder?: string | undefined
  /** A line for the program's standard input, which is empty otherwise. */
  input?: string | undefined
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

  const path = at.programFolder === undefined ? STEP_PATH : `${STEP_PATH}:${at.programFolder}`
  let timedOut = false
  const limit = action.timeoutMs === undefined ? undefined : setTimeout(() => void expire(), action.timeoutMs)
  const expire = async () => {
    timedOut = true
    await endSession(at.runner)
  }
  const follower = setInterval(() => {
    output.follow()
    errors.follow()
  }, FOLLOW_MS)
  const ended = await new Promise<{ exitCode: number } | { detail: string }>((resolve) => {
    // Thrown, or emitted: Node does both, by the kind of error.
    const refuse = (error: unknown) =>
      resolve({ detail: `${program}: ${error instanceof Error ? error.message : error}` })
    try {
      const child = spawn(program, words, {
        cwd: folder,
        env: { PATH: path, HOME: '/root', LANG: 'C.UTF-8', ...at.environment },
        stdio: [at.input === undefined ? 'ignore' : 'pipe', output.fd, errors.fd],
      })
      child.on('error', refuse).on('exit', (code, signal) => resolve({ exitCode: code ?? 128 + signalNumber(signal) }))
      // A program that ends without reading it breaks the pipe, and its exit code says what became of it.
      child.stdin?.on('error', () => {}).end(`${at.input}\n`)
    } catch (error) {
      refuse(error)
    }
  })
  clearTimeout(limit)
  clearInterval(follower)
  errors.end()
  const tail = output.end()

  if ('detail' in ended) return { kind: 'couldNotStart', detail: ended.detail }
  if (timedOut) {
    // The first process is gone; what it left behind must not outlive the step's limit either.
    await endSession(at.runner)
    at.log.write({ text: 'The step took too long and was ended.', component: 'RunCommandLine', level: 'error' })
    return { kind: 'timedOut' }
  }
  say(`Process completed with exit code ${ended.exitCode}`)
  return { kind: 'exited', exitCode: ended.exitCode, output: tail }
}

/** Words that run the command as another account of this system; root needs no password for that. */
const asAccount = ({ account, argv }: Extract<Action, { kind: 'command' }>): string[] =>
  account === undefined ? argv : ['runuser', '--user', account, '--', ...argv]

/** Ends every process of the runner's session but the runner: politely, then not. */
export async function endSession(runner: ProcessIdentity): Promise<void> {
  signalMembers(runner, 'SIGTERM')
  const until = performance.now() + KILL_GRACE_MS
  while (sessionMembers(runner).length > 0) {
    if (performance.now() >= until) signalMembers(runner, 'SIGKILL')
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** As a shell reports it: 128 and the number of the signal. */
function signalNumber(signal: NodeJS.Signals | null): number {
  return signal === null ? 0 : constants.signals[signal]
}
