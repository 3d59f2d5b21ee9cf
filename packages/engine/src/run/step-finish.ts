/**
 * The end of a step, or of one part of it: what is committed then, and where the run goes. Owns the choice
 * between the next part, another try, the next instruction, a stop of the debugger, and the failure that
 * passes on to the groups around. Does not own how a step came to its end (attempt.ts), or what the state
 * looks like afterwards (step-end.ts, unwind.ts, run-end.ts: plain functions).
 *
 * F1. The end of a step is one commit: its variables, what the journal says, and where the run goes (R3 of run.ts).
 * F2. A failure is passed on only when nothing stops at it: no retry is left, and no debugger waits (R4, R10).
 */
import type { Problem } from '@sluice/protocol'
import { waiting } from '../debug/debug.ts'
import { debugStopped } from '../debug/debug-stops.ts'
import type { Conclusion } from '../steps/step-kind.ts'
import type { LiveRun } from './live-run.ts'
import { returnCode } from './return-code.ts'
import type { JournalEntry, RunState, StepPlace } from './run-state.ts'
import { goingOn, leaving, placeOf, requestOf, retriesOf, retrying, type StepEnd, stepFinished } from './step-end.ts'
import { unwind } from './unwind.ts'
import type { Environment } from './variables.ts'

/** How often a script may ask for a restart and to be run again. */
export const MAX_REQUESTS = 10

/** @param entries what is to be journalled with the end of the step */
export async function endStep(
  run: LiveRun,
  at0: StepPlace,
  end: StepEnd,
  environment: Environment,
  entries: JournalEntry[],
): Promise<void> {
  const place = placeOf(at0)
  const { pointer } = run.state
  const { step } = run.step()
  const at = run.host.now()
  const request = requestOf(run.state, end, environment)
  if (request.kind === 'restart' && request.again) return runAgain(run, place, request.order, environment, entries)
  const failure = request.kind === 'refused' ? request.problem : end.problem
  const asked = request.kind === 'restart' ? request.order : end.restart
  if (failure === undefined && end.next !== undefined)
    return goOn(run, { ...place, part: end.next }, asked, environment, entries)
  if (failure !== undefined && end.final !== true && (place.retries ?? 0) < retriesOf(step) && !run.isCancelled) {
    const again = retrying(step, place, failure, environment, run.endPlace(at))
    return run.move(again.changes, [...entries, ...again.entries])
  }
  environment.setOwn('_SMSTSLastActionName', step.name)
  environment.setOwn('_SMSTSLastActionRetCode', String(end.exitCode ?? returnCode(failure)))
  environment.setOwn('_SMSTSLastActionSucceeded', failure === undefined ? 'true' : 'false')

  const stopsHere = failure !== undefined && step.continueOnError !== true && run.debugsFailures(environment)
  const continues = failure === undefined || step.continueOnError === true
  const ms = run.enteredMs === undefined ? Math.max(0, at - place.startedAt) : run.host.monotonicMs() - run.enteredMs
  const ended = stepFinished(step, end, failure, { at, instruction: pointer, ms })
  const journal: JournalEntry[] = [...entries, ...environment.changes, ended]
  run.enteredMs = undefined
  const { variables } = environment
  if (continues) {
    const restart = failure === undefined || request.kind === 'restart' ? asked : undefined
    const left = leaving(restart, variables, run.endPlace(at))
    await run.move(left.changes, [...journal, ...left.entries])
  } else if (stopsHere) {
    journal.push(debugStopped(run.table, run.state, at, 'failed', failure))
    const debug = waiting(run.state.debug, pointer, 'failed', failure)
    await run.move({ phase: { kind: 'ready' }, variables, transitions: 0, debug }, journal)
  } else await passOn(run, failure, journal, { variables })
  run.host.progress({
    kind: 'stepFinished',
    instruction: pointer,
    name: step.name,
    ...(failure === undefined ? {} : { problem: failure }),
  })
}

/** The failure of the present step or group, to the groups around it. */
export function passOn(
  run: LiveRun,
  reason: Problem,
  journal: JournalEntry[],
  changes: Partial<RunState>,
): Promise<void> {
  const { pointer } = run.state
  const at = run.host.now()
  const of = run.table.instructions[pointer]
  const openGroups = [...run.state.openGroups]
  const entries = [...journal]
  if (of?.kind === 'groupStart') {
    openGroups.push({ start: pointer })
    entries.push({ kind: 'groupEntered', at, instruction: pointer, name: of.group.name })
  }
  const unwound = unwind(run.table, pointer, openGroups, at, run.endOfPart())
  const all = { ...changes, openGroups: unwound.openGroups }
  entries.push(...unwound.entries)
  if (unwound.pointer !== undefined)
    return run.move({ ...all, pointer: unwound.pointer, phase: { kind: 'ready' } }, entries)
  return run.finish({ kind: 'failure', step: run.present(), problem: reason }, entries, all)
}

/** A script asked for a restart and to be run again (configmgr-behaviour §3.8). */
async function runAgain(
  run: LiveRun,
  place: StepPlace,
  restart: NonNullable<Conclusion['restart']>,
  environment: Environment,
  entries: JournalEntry[],
): Promise<void> {
  const requests = (place.requests ?? 0) + 1
  if (requests > MAX_REQUESTS) return run.breakOff(run.stuck())
  const { name } = run.step().step
  const { pointer: instruction, attempts } = run.state
  const at = run.host.now()
  const attempt = `${instruction}-${attempts}`
  const entry: JournalEntry = { kind: 'stepRepeated', at, instruction, name, attempt, why: 'requested' }
  await goOn(run, { ...place, requests }, restart, environment, [...entries, entry])
}

async function goOn(
  run: LiveRun,
  resume: StepPlace,
  restart: Conclusion['restart'],
  environment: Environment,
  entries: JournalEntry[],
): Promise<void> {
  const on = goingOn(resume, restart, environment, run.endPlace(run.host.now()))
  await run.move(on.changes, [...entries, ...on.entries])
}
