import { problem } from '@sluice/protocol'
import { splitCommandLine } from '../command-words.ts'
import { done, type StepKind } from './step-kind.ts'

/** `0 3010` in the original; 3010 asks for a restart. */
const DEFAULT_SUCCESS_CODES = [0, 3010]
export const RESTART_CODE = 3010
/** Characters of output that a variable takes (configmgr-behaviour §3.4). */
const OUTPUT_LENGTH = 1_000

/**
 * The command is split into words first and expanded afterwards, each word by itself: a value can
 * never become two arguments or a piece of shell language.
 */
export const runCommandLine: StepKind<'runCommandLine'> = {
  fetches: (step) => step.package !== undefined,
  async prepare(step, { environment, choose, acquire }) {
    let workingDirectory: string | undefined
    if (step.package !== undefined) {
      const chosen = choose(step.package)
      if (!chosen.ok) return done(chosen.problem)
      const content = await acquire(chosen.value, step.files)
      if (!content.ok) return done(content.problem)
      workingDirectory = content.value.folder
    }
    if (step.startIn !== undefined) {
      const startIn = environment.expand(step.startIn)
      if (!startIn.ok) return done(startIn.problem)
      workingDirectory = startIn.value.value
    }
    const words = splitCommandLine(step.commandLine)
    if (!words.ok) return done(words.problem)
    const argv: string[] = []
    let hidden = environment.get('OSDDoNotLogCommand')?.toLowerCase() === 'true'
    for (const word of words.value) {
      const expanded = environment.expand(word)
      if (!expanded.ok) return done(expanded.problem)
      argv.push(expanded.value.value)
      hidden ||= expanded.value.hidden
    }
    return {
      kind: 'act',
      action: {
        kind: 'command',
        argv,
        workingDirectory,
        timeoutMs: step.timeoutMinutes === undefined ? undefined : step.timeoutMinutes * 60_000,
        hidden,
      },
    }
  },
  conclude(step, { exitCode, output }, environment) {
    if (step.outputTo !== undefined) {
      const refused = environment.set(step.outputTo, output.trimEnd().slice(-OUTPUT_LENGTH))
      if (refused !== undefined) return { exitCode, problem: refused }
    }
    if (!(step.successCodes ?? DEFAULT_SUCCESS_CODES).includes(exitCode))
      return { exitCode, problem: problem('STEP_FAILED', `The command ended with exit code ${exitCode}.`) }
    return exitCode === RESTART_CODE ? { exitCode, restart: restartOf(environment) } : { exitCode }
  },
}

/** Notice before a restart that an exit code asked for; no delay is no notice (configmgr-behaviour §3.8). */
export function restartOf(environment: { get(name: string): string | undefined }): {
  message: string
  timeoutSeconds: number
} {
  const seconds = Number(environment.get('SMSTSRebootDelay') ?? '0')
  return {
    message: (environment.get('SMSTSRebootMessage') ?? '').slice(0, 512),
    timeoutSeconds: Number.isInteger(seconds) && seconds >= 0 && seconds <= 86_400 ? seconds : 0,
  }
}
