/**
 * What follows the end of a step, or of a part of it: the next part, a retry, a restart, and what the
 * journal says. Changes of the state only; that they are committed, and in which order, is run.ts.
 */
import type { Problem, Step, StepOutcome } from '@sluice/protocol'
import type { Conclusion } from '../steps/step-kind.ts'
import { flags } from './flags.ts'
import { type RestartRequest, takeRestartRequest, useNextDelay } from './restart-request.ts'
import type { RunChange } from './run-end.ts'
import type { JournalEntry, Phase, RunState, StepPlace } from './run-state.ts'
import { Environment, type Variables } from './variables.ts'

export type StepEnd = Conclusion & { outcome?: StepOutcome }
type Restart = Conclusion['restart']

/** Where and when the step ended. */
export interface EndPlace {
  state: RunState
  bootId: string
  /** Milliseconds since 1970. */
  at: number
}

/** How far a step is, without what else its phase says. */
export const placeOf = ({ startedAt, part, retries, requests }: StepPlace): StepPlace => ({
  startedAt,
  ...(part === undefined ? {} : { part }),
  ...(retries === undefined ? {} : { retries }),
  ...(requests === undefined ? {} : { requests }),
})

export const retriesOf = (step: Step): number => ('retry' in step ? (step.retry?.count ?? 0) : 0)

/** Flag `restartVariables`. What a failed step asked for counts only where the run goes on. */
export function requestOf({ flags: started }: RunState, end: StepEnd, environment: Environment): RestartRequest {
  const isAsked = started.includes(flags.restartVariables) && end.outcome !== 'unknown'
  return isAsked ? takeRestartRequest(environment) : { kind: 'none' }
}

function afterRestart(restart: Restart, variables: Variables, { state, at }: EndPlace): Variables {
  if (restart === undefined || !state.flags.includes(flags.restartVariables)) return variables
  const environment = new Environment(variables, () => at)
  useNextDelay(environment)
  return environment.variables
}

/** The step goes on with its next part, or once more, behind a restart where one is asked for. */
export function goingOn(resume: StepPlace, restart: Restart, environment: Environment, place: EndPlace): RunChange {
  const { bootId, at } = place
  const entries = [...environment.changes]
  let phase: Phase = { kind: 'preparing', bootId, ...resume }
  if (restart !== undefined) {
    phase = { kind: 'rebootPending', bootId, ...restart, resume }
    entries.push({ kind: 'restartRequested', at, message: restart.message })
  }
  return { changes: { phase, variables: afterRestart(restart, environment.variables, place), transitions: 0 }, entries }
}

/** The run goes on behind the step. */
export function leaving(restart: Restart, variables: Variables, place: EndPlace): RunChange {
  const { state, bootId, at } = place
  let phase: Phase = { kind: 'ready' }
  const entries: JournalEntry[] = []
  if (restart !== undefined) {
    phase = { kind: 'rebootPending', bootId, ...restart }
    entries.push({ kind: 'restartRequested', at, message: restart.message })
  }
  return { changes: { pointer: state.pointer + 1, phase, variables: afterRestart(restart, variables, place) }, entries }
}

/** The step failed, and is tried again after a pause (R4). */
export function retrying(
  step: Step,
  place: StepPlace,
  reason: Problem,
  environment: Environment,
  { state, bootId, at }: EndPlace,
): RunChange {
  const retries = (place.retries ?? 0) + 1
  const delayMs = ('retry' in step ? (step.retry?.delaySeconds ?? 0) : 0) * 1000
  const retried: JournalEntry = {
    ...{ kind: 'stepRetried', at, instruction: state.pointer, name: step.name },
    ...{ retry: retries, delayMs, problem: reason },
  }
  return {
    changes: {
      phase: { kind: 'retryPending', bootId, delayMs, ...place, retries },
      ...{ variables: environment.variables, transitions: 0 },
    },
    entries: [...environment.changes, retried],
  }
}

export function stepFinished(
  step: Step,
  end: StepEnd,
  failure: Problem | undefined,
  { at, instruction, ms }: { at: number; instruction: number; ms: number },
): JournalEntry {
  const failed = step.continueOnError === true ? 'failedContinued' : 'failed'
  return {
    ...{ kind: 'stepFinished', at, instruction, name: step.name, stepType: step.type },
    outcome: end.outcome ?? (failure === undefined ? 'succeeded' : failed),
    ms,
    ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
    ...(failure === undefined ? {} : { problem: failure }),
  }
}
