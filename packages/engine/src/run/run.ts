/**
 * Carries out a sequence on a device, one instruction after another. Owns the order of things and
 * what is durable when: the rules below hold for this file and those that it calls, which are the state
 * and how it changes (live-run.ts), the instruction that is next (instruction.ts), a try of a step
 * (attempt.ts) and the end of one (step-finish.ts). Does not own what a step type does (steps/), how
 * failures pass through groups (unwind.ts), what the state is at the end of a step (step-end.ts) or of a
 * run (run-end.ts), when the debugger stops it (debug-stops.ts), or how anything outside happens (host.ts).
 *
 * R1. State changes only by `move`, and every change is committed before anything follows from it.
 * R2. Intent before action: an attempt is started only after a commit that names it.
 * R3. At most three commits a step: entered (only when it fetches content), intent (only when it
 *     acts), end. Pointer, open groups, variables and journal of an instruction are one commit. A step
 *     of several parts takes as many for each, and so does each retry.
 * R4. A step whose end is committed is never started again; one whose intent is committed is waited
 *     for first. Only an attempt that never began, or was lost while the step is `idempotent` or its
 *     probe says that nothing was done (at most `MAX_TRIES` times), is followed by another. A retry
 *     follows a failure that was seen, never an unknown outcome.
 * R5. `rebootPending` is committed before the caller is told to restart; the run goes on with
 *     another boot only.
 * R6. Stopping (the agent ends) changes nothing. Cancelling ends the run, between steps or while
 *     content is fetched; a program that runs is waited for, never torn.
 * R7. At most `MAX_TRANSITIONS` changes without the pointer, the part or the retry moving (REL-07), then
 *     the run fails.
 * R8. The steps of `finally` run behind every end of the main part: success, failure, cancelling, the
 *     maximum run time. Nothing cancels them; what they do never makes a failed run a success.
 * R9. The maximum run time ends a command, a download and what follows; an upgrade of the operating
 *     system that runs is waited for. Time counts while a process carries the run.
 * R10. In the debugger a run stands still between two instructions of its main part. A step that fails there,
 *     or where `TSDebugOnError` says so, does not pass its failure on: the run stops at it, and only an
 *     order of the debugger, which is committed, runs it again; the failure passes on when the debugger goes.
 *     Standing still takes none of the run's time.
 */
import { ProblemError, problem } from '@sluice/protocol'
import { waiting } from '../debug/debug.ts'
import { debugStop, debugStopped } from '../debug/debug-stops.ts'
import { arrival } from './arrival.ts'
import { awaitAttempt, prepare, retry } from './attempt.ts'
import { unknownFlags } from './flags.ts'
import { nextInstruction } from './instruction.ts'
import { type AdvanceOptions, LiveRun } from './live-run.ts'
import type { RunResult, RunState } from './run-state.ts'
import { passOn } from './step-finish.ts'

export type Advance =
  | { kind: 'finished'; state: RunState; result: RunResult }
  /** Restart the machine, then advance again; with the same boot this is asked for again. */
  | { kind: 'restart'; state: RunState; message: string; timeoutSeconds: number }
  /** Between two steps, because the caller wants it; advance again when it shall go on. */
  | { kind: 'paused'; state: RunState }
  /** In the debugger, between two instructions; obey orders, then advance again unless it still waits. */
  | { kind: 'debug'; state: RunState }
  /** Stopped by the signal; advance again whenever the agent is back. */
  | { kind: 'stopped'; state: RunState }

/**
 * Goes on with a run until it is finished, needs a restart, or is stopped. Throws a `ProblemError`
 * `DATA_TOO_NEW` when a newer engine started the run; whatever the host throws passes through, and
 * the run can be advanced again from its last commit.
 */
export async function advance(options: AdvanceOptions): Promise<Advance> {
  const unknown = unknownFlags(options.state.flags)
  if (unknown.length > 0)
    throw new ProblemError(problem('DATA_TOO_NEW', `A newer engine started this run (flags ${unknown.join(', ')}).`))
  const run = new LiveRun(options)
  await arrive(run)
  for (;;) {
    const { state } = run
    const { phase } = state
    if (phase.kind === 'finished') return { kind: 'finished', state, result: phase.result }
    if (run.stop.aborted) return { kind: 'stopped', state }
    if (run.isExhausted && phase.kind !== 'stepStarting')
      await run.breakOff(run.stuck()) // R7
    else if (run.isCancelled && phase.kind !== 'stepStarting')
      await run.breakOff(run.cancelled()) // R6
    else if (run.leftMs() === 0 && run.mayTimeOut)
      await run.breakOff(run.tookTooLong()) // R9
    else if (phase.kind === 'rebootPending')
      return { kind: 'restart', state, message: phase.message, timeoutSeconds: phase.timeoutSeconds }
    else if (phase.kind === 'ready') {
      if (state.ending === undefined && options.pauseWanted?.() === true) return { kind: 'paused', state }
      if (await debugs(run, options.debugWanted)) return { kind: 'debug', state: run.state }
      await goOn(run)
    } else if (phase.kind === 'preparing') await prepare(run, phase, [])
    else if (phase.kind === 'retryPending') await retry(run, phase)
    else await awaitAttempt(run, phase)
  }
}

/** Takes note of a restart since the last commit. */
async function arrive(run: LiveRun): Promise<void> {
  const { phase } = run.state
  if (phase.kind === 'ready' || phase.kind === 'finished' || run.isExhausted) return
  if (phase.kind !== 'rebootPending') run.announce(run.step())
  const arrived = arrival(run.state, run.host.bootId(), run.host.now())
  if (arrived === undefined) return
  if (phase.kind === 'rebootPending' && arrived.changes.phase?.kind === 'preparing') run.announce(run.step())
  await run.move(arrived.changes, arrived.entries)
}

/** The next instruction, or the failure at which the run stood still until the debugger went (R10). */
function goOn(run: LiveRun): Promise<void> {
  const { debug } = run.state
  if (debug?.mode !== 'detached' || debug.problem === undefined) return nextInstruction(run)
  const { problem: left, ...detached } = debug
  return passOn(run, left, [], { debug: detached })
}

/** R10: whether the run stands still now. */
async function debugs(run: LiveRun, wanted: AdvanceOptions['debugWanted']): Promise<boolean> {
  const stop = debugStop(run.table, run.state, run.mayDebug)
  if (stop.kind !== 'stops') return stop.kind === 'waits' || (stop.kind === 'passes' && wanted?.() === true)
  const { pointer, debug } = run.state
  const entry = debugStopped(run.table, run.state, run.host.now(), stop.why)
  await run.move({ debug: waiting(debug, pointer, stop.why), transitions: 0 }, [entry])
  return true
}
