import { failed, ok, problem, type Result, type Step } from '@sluice/protocol'
import type { Action } from '../host.ts'
import { expandedWords } from '../steps/program.ts'
import type { Environment } from './variables.ts'

/** Longest time of a probe: it only looks. */
const PROBE_MS = 10 * 60_000

/** The command that tells whether a step of class `probe` had done its work. */
export function probeAction(step: Step, environment: Environment): Result<Action> {
  const commandLine = 'probe' in step ? step.probe : undefined
  if (commandLine === undefined) return failed(problem('SEQUENCE_INVALID', `${step.name} has no probe.`))
  const words = expandedWords(commandLine, environment)
  if (!words.ok) return words
  const { argv, hidden } = words.value
  return ok({ kind: 'command', argv, workingDirectory: undefined, timeoutMs: PROBE_MS, hidden })
}
