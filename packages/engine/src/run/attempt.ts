/**
 * One try of the present step: the engine's part of it, the intent, the runner, and what became of it. Owns
 * what is started and when something is started again. Does not own what a step does (steps/), who runs it
 * (host.ts), or what follows its end (step-finish.ts).
 *
 * A1. `host.start` follows the commit that names the attempt, never precedes it (R2 of run.ts).
 * A2. An attempt whose intent is committed is waited for before anything else of the step happens (R4).
 * A3. Nobody saw the end: an `idempotent` step begins again, a `probe` one looks first, at most `MAX_TRIES` times
 *     in all; every other one has ended as unknown, which is never retried (R4).
 */
import { type Problem, problem } from '@sluice/protocol'
import type { Action, ActionOutcome, VariableChange } from '../host.ts'
import { bind } from '../steps/index.ts'
import type { Prepared, StepContext } from '../steps/step-kind.ts'
import { downloadRetry } from './download-retry.ts'
import type { LiveRun } from './live-run.ts'
import { probeAction } from './probe.ts'
import type { JournalEntry, Phase, StepPlace } from './run-state.ts'
import { createStepContext } from './step-context.ts'
import { placeOf, type StepEnd } from './step-end.ts'
import { endStep } from './step-finish.ts'
import type { Environment } from './variables.ts'

export const MAX_TRIES = 3
/** Longest time of a command of `finally` that has no time-out of its own. */
const CLEANUP_COMMAND_MS = 3600_000

type Starting = Extract<Phase, { kind: 'stepStarting' }>

/**
 * Does the engine's part of the present step and, where there is one, starts the runner's.
 * @param entries what is to be journalled with the next commit
 */
export async function prepare(run: LiveRun, at: StepPlace, entries: JournalEntry[], tries = 1): Promise<void> {
  const place = placeOf(at)
  const { step } = run.step()
  const environment = run.environment()
  environment.setOwn('_SMSTSCurrentActionName', step.name)
  environment.setOwn('_SMSTSLastActionRetryCount', String(place.retries ?? 0))
  environment.setOwn('_SMSTSInstructionStackString', run.state.openGroups.map(({ start }) => start).join(' '))
  for (const name of ['SMSTSNextInstructionPointer', '_SMSTSNextInstructionPointer'])
    environment.setOwn(name, String(run.state.pointer))
  let prepared: Prepared
  try {
    prepared = await bind(step).prepare(stepContext(run, environment, entries, place.part ?? 0))
  } catch (error) {
    if (run.stop.aborted) return
    if (run.isCancelled) return run.breakOff(run.cancelled())
    throw error
  }
  if (prepared.kind === 'done') return endStep(run, place, prepared, environment, entries)
  await act(run, { ...place, tries }, prepared.action, environment, entries)
}

/** The pause before another try, and the try. */
export async function retry(run: LiveRun, phase: Extract<Phase, { kind: 'retryPending' }>): Promise<void> {
  try {
    const left = run.leftMs()
    await run.host.wait(left === undefined ? phase.delayMs : Math.min(phase.delayMs, left), run.interrupts())
  } catch (error) {
    if (run.stop.aborted || run.isCancelled) return
    throw error
  }
  await prepare(run, phase, [])
}

/** Waits for the attempt whose intent is committed (A2), and takes what came of it. */
export async function awaitAttempt(run: LiveRun, phase: Starting): Promise<void> {
  const { step } = run.step()
  let outcome: ActionOutcome
  try {
    outcome = await run.host.outcome(phase.attempt, run.stop)
  } catch (error) {
    if (run.stop.aborted) return
    throw error
  }
  if (phase.probing === true) return takeProbe(run, phase, outcome)
  const environment = run.environment()
  const entries: JournalEntry[] = []
  const end = (conclusion: StepEnd): Promise<void> => endStep(run, phase, conclusion, environment, entries)
  switch (outcome.kind) {
    case 'exited': {
      const refused = applyChanges(outcome.changes, environment)
      const { restart, ...concluded } = await bind(step).conclude(
        outcome,
        stepContext(run, environment, entries, phase.part ?? 0),
      )
      const reason = concluded.problem ?? refused
      if (reason !== undefined) return end({ ...concluded, problem: reason })
      return end(restart === undefined ? concluded : { ...concluded, restart })
    }
    case 'timedOut':
      applyChanges(outcome.changes, environment)
      if (run.leftMs() === 0) return end({ problem: run.tookTooLong() })
      return end({ problem: problem('STEP_TIMED_OUT', `${step.name} took longer than its time-out.`) })
    case 'couldNotStart':
      return end({ problem: problem('STEP_COULD_NOT_START', outcome.detail) })
    case 'notStarted':
      return repeat(run, phase, 'notStarted', phase.tries)
    case 'unknown':
      if ('class' in step && phase.tries < MAX_TRIES) {
        if (step.class === 'idempotent') return repeat(run, phase, 'lost', phase.tries + 1)
        if (step.class === 'probe') return probe(run, phase)
      }
      return endUnknown(run, phase)
  }
}

/** Commits the intent, then starts the runner (A1). */
async function act(
  run: LiveRun,
  place: StepPlace & Pick<Starting, 'tries' | 'probing'>,
  action: Action,
  environment: Environment,
  entries: JournalEntry[],
): Promise<void> {
  const attempts = run.state.attempts + 1
  const attempt = `${run.state.pointer}-${attempts}`
  const phase: Phase = { kind: 'stepStarting', attempt, bootId: run.host.bootId(), ...place }
  await run.move({ phase, attempts, variables: environment.variables }, [...entries, ...environment.changes])
  await run.host.start(attempt, action, limitOf(run, action))
}

/** R9 of run.ts */
function limitOf(run: LiveRun, action: Action): number | undefined {
  if (action.kind === 'upgradeOperatingSystem') return undefined
  return run.state.ending === undefined ? run.leftMs() : CLEANUP_COMMAND_MS
}

function endUnknown(run: LiveRun, phase: Starting): Promise<void> {
  const { name } = run.step().step
  const tried = phase.tries > 1 ? ` It was tried ${phase.tries} times.` : ''
  const reason = problem('STEP_OUTCOME_UNKNOWN', `Nobody saw how ${name} ended.${tried}`)
  return endStep(run, phase, { problem: reason, outcome: 'unknown', final: true }, run.environment(), [])
}

/** Starts the step's probe in the place of an attempt that was lost (A3). */
async function probe(run: LiveRun, phase: Starting): Promise<void> {
  if (run.isExhausted) return run.breakOff(run.stuck()) // R7
  const environment = run.environment()
  const action = probeAction(run.step().step, environment)
  if (!action.ok) return endUnknown(run, phase)
  await act(run, { ...placeOf(phase), tries: phase.tries, probing: true }, action.value, environment, [])
}

function takeProbe(run: LiveRun, phase: Starting, outcome: ActionOutcome): Promise<void> {
  if (outcome.kind === 'exited' && outcome.exitCode === 0)
    return endStep(run, phase, { exitCode: 0 }, run.environment(), [])
  if (outcome.kind === 'exited' && outcome.exitCode === 1) return repeat(run, phase, 'notDone', phase.tries + 1)
  if (outcome.kind === 'notStarted' || (outcome.kind === 'unknown' && phase.tries < MAX_TRIES))
    return probe(run, outcome.kind === 'unknown' ? { ...phase, tries: phase.tries + 1 } : phase)
  return endUnknown(run, phase)
}

/** Another attempt in the place of one that did nothing (A3). */
function repeat(run: LiveRun, phase: Starting, why: 'notStarted' | 'lost' | 'notDone', tries: number): Promise<void> {
  if (run.isCancelled) return run.breakOff(run.cancelled())
  if (run.isExhausted) return run.breakOff(run.stuck()) // R7
  const { name } = run.step().step
  const at = run.host.now()
  const { attempt } = phase
  const entry: JournalEntry = { kind: 'stepRepeated', at, instruction: run.state.pointer, name, attempt, why }
  return prepare(run, phase, [entry], tries)
}

/** What the step set, by the rules for everybody; the first refusal. */
function applyChanges(changes: readonly VariableChange[] | undefined, environment: Environment): Problem | undefined {
  const refused = changes?.map(({ name, value, hidden }) => environment.set(name, value, hidden))
  return refused?.find((one) => one !== undefined)
}

function stepContext(run: LiveRun, environment: Environment, entries: JournalEntry[], part: number): StepContext {
  const { pointer: instruction, flags } = run.state
  const { name } = run.step().step
  return createStepContext({
    ...{ host: run.host, environment, entries, flags, part, instruction, name },
    acquire: async (packageId, files) => {
      const signal = run.interrupts()
      const content = await run.host.acquire(packageId, downloadRetry(environment), signal, files, run.leftMs())
      signal.throwIfAborted()
      return content
    },
  })
}
