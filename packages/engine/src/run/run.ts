/**
 * Carries out a sequence on a device, one instruction after another. Owns the order of things and
 * what is durable when. Does not own what a step type does (steps/), how failures pass through
 * groups (unwind.ts), what follows the end of a step (step-end.ts) or of a run (run-end.ts), when the
 * debugger stops it (debug-stops.ts), or how anything outside happens (host.ts).
 *
 * R1. State changes only by `#move`, and every change is committed before anything follows from it.
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
 * R10. In the debugger a run stands still between two instructions of its main part. A step that fails there,
 *     or where `TSDebugOnError` says so, does not pass its failure on: the run stops at it, and only an
 *     order of the debugger, which is committed, runs it again; the failure passes on when the debugger goes. Standing still takes none of the run's time.
 * R9. The maximum run time ends a command, a download and what follows; an upgrade of the operating
 *     system that runs is waited for. Time counts while a process carries the run.
 *
 * It is one class because every method is a transition of one state; what can be told without the state
 * is elsewhere.
 */
import { type Problem, ProblemError, problem } from '@sluice/protocol'
import { decide } from '../condition/condition.ts'
import { waiting } from '../debug/debug.ts'
import { debugStop, debugStopped, stopsAtFailure } from '../debug/debug-stops.ts'
import type { Action, ActionOutcome, Host, VariableChange } from '../host.ts'
import { bind } from '../steps/index.ts'
import type { Conclusion, Prepared, StepContext } from '../steps/step-kind.ts'
import { arrival } from './arrival.ts'
import { downloadRetry } from './download-retry.ts'
import { flags, unknownFlags } from './flags.ts'
import type { GroupStart, InstructionTable, StepInstruction } from './flatten.ts'
import { probeAction } from './probe.ts'
import { returnCode } from './return-code.ts'
import { RunClock } from './run-clock.ts'
import { brokenOff, cancelled, endOfPart, endOfRun, presentName, stuck, tookTooLong } from './run-end.ts'
import type { JournalEntry, Phase, RunResult, RunState, StepPlace } from './run-state.ts'
import { createStepContext } from './step-context.ts'
import {
  type EndPlace,
  goingOn,
  leaving,
  placeOf,
  requestOf,
  retriesOf,
  retrying,
  type StepEnd,
  stepFinished,
} from './step-end.ts'
import { groupStart, skippedSteps, unwind } from './unwind.ts'
import { Environment } from './variables.ts'

export const MAX_TRIES = 3
export const MAX_TRANSITIONS = 10
/** How often a script may ask for a restart and to be run again. */
export const MAX_REQUESTS = 10
/** Longest time of a command of `finally` that has no time-out of its own. */
const CLEANUP_COMMAND_MS = 3600_000

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

export interface AdvanceOptions {
  table: InstructionTable
  /** As it was committed last. */
  state: RunState
  host: Host
  /** The agent ends; the run does not. */
  stop: AbortSignal
  /** The run shall end. The wish must be durable with the caller. */
  cancel?: AbortSignal
  /** Whether the run shall rest before its next step. The wish must be durable with the caller. */
  pauseWanted?: () => boolean
  /** Whether orders of the debugger are there. Durable with the caller until they are counted. */
  debugWanted?: () => boolean
  /** Whether this run may be debugged at all: `TSDebugMode` and `TSDebugOnError` count only then. */
  mayDebug?: boolean
}

/**
 * Goes on with a run until it is finished, needs a restart, or is stopped. Throws a `ProblemError`
 * `DATA_TOO_NEW` when a newer engine started the run; whatever the host throws passes through, and
 * the run can be advanced again from its last commit.
 */
export async function advance(options: AdvanceOptions): Promise<Advance> {
  const unknown = unknownFlags(options.state.flags)
  if (unknown.length > 0)
    throw new ProblemError(problem('DATA_TOO_NEW', `A newer engine started this run (flags ${unknown.join(', ')}).`))
  return new Run(options).advance()
}

/** What the step set, by the rules for everybody; the first refusal. */
function applyChanges(changes: readonly VariableChange[] | undefined, environment: Environment): Problem | undefined {
  const refused = changes?.map(({ name, value, hidden }) => environment.set(name, value, hidden))
  return refused?.find((one) => one !== undefined)
}

type Starting = Extract<Phase, { kind: 'stepStarting' }>

class Run {
  #state: RunState
  /** When this process entered the present step, on the rising clock. */
  #enteredMs: number | undefined
  readonly #table: InstructionTable
  readonly #host: Host
  readonly #stop: AbortSignal
  readonly #cancel: AbortSignal | undefined
  readonly #pauseWanted: () => boolean
  readonly #debugWanted: () => boolean
  readonly #mayDebug: boolean
  readonly #clock: RunClock

  constructor({ table, state, host, stop, cancel, ...options }: AdvanceOptions) {
    this.#state = state
    this.#table = table
    this.#host = host
    this.#stop = stop
    this.#cancel = cancel
    this.#pauseWanted = options.pauseWanted ?? (() => false)
    this.#debugWanted = options.debugWanted ?? (() => false)
    this.#mayDebug = options.mayDebug ?? false
    this.#clock = new RunClock(host)
  }

  async advance(): Promise<Advance> {
    await this.#arrive()
    for (;;) {
      const { phase } = this.#state
      if (phase.kind === 'finished') return { kind: 'finished', state: this.#state, result: phase.result }
      if (this.#stop.aborted) return { kind: 'stopped', state: this.#state }
      if (this.#exhausted() && phase.kind !== 'stepStarting')
        await this.#breakOff(this.#stuck()) // R7
      else if (this.#isCancelled() && phase.kind !== 'stepStarting')
        await this.#breakOff(this.#cancelled()) // R6
      else if (this.#leftMs() === 0 && !this.#mayEnd())
        await this.#breakOff(this.#tookTooLong()) // R9
      else if (phase.kind === 'rebootPending')
        return { kind: 'restart', state: this.#state, message: phase.message, timeoutSeconds: phase.timeoutSeconds }
      else if (phase.kind === 'ready') {
        if (this.#state.ending === undefined && this.#pauseWanted()) return { kind: 'paused', state: this.#state }
        if (await this.#debugs()) return { kind: 'debug', state: this.#state }
        const { debug } = this.#state
        if (debug?.mode === 'detached' && debug.problem !== undefined) {
          const { problem: left, ...detached } = debug
          await this.#passOn(left, [], { debug: detached })
        } else await this.#nextInstruction()
      } else if (phase.kind === 'preparing') await this.#prepare(phase, [])
      else if (phase.kind === 'retryPending') await this.#retry(phase)
      else await this.#awaitAttempt(phase)
    }
  }

  /** Takes note of a restart since the last commit. */
  async #arrive(): Promise<void> {
    const { phase } = this.#state
    if (phase.kind === 'ready' || phase.kind === 'finished' || this.#exhausted()) return
    if (phase.kind !== 'rebootPending') this.#announce(this.#step())
    const arrived = arrival(this.#state, this.#host.bootId(), this.#host.now())
    if (arrived === undefined) return
    if (phase.kind === 'rebootPending' && arrived.changes.phase?.kind === 'preparing') this.#announce(this.#step())
    await this.#move(arrived.changes, arrived.entries)
  }

  async #nextInstruction(): Promise<void> {
    const { pointer, openGroups } = this.#state
    const instruction = this.#table.instructions[pointer]
    const at = this.#host.now()
    if (instruction === undefined || (pointer === this.#table.cleanup && this.#state.ending === undefined))
      return this.#finish({ kind: 'success' }, [])
    if (instruction.kind === 'groupEnd') {
      const { name } = groupStart(this.#table, instruction.start).group
      return this.#move({ pointer: pointer + 1, openGroups: openGroups.slice(0, -1) }, [
        { kind: 'groupLeft', at, instruction: pointer, name, failed: false },
      ])
    }

    const node = instruction.kind === 'step' ? instruction.step : instruction.group
    const entries: JournalEntry[] = []
    let why: 'disabled' | 'condition' | undefined = node.disabled === true ? 'disabled' : undefined
    if (why === undefined && node.condition !== undefined) {
      const { result, trace, failure } = await decide(node.condition, this.#state.variables, this.#host)
      entries.push({ kind: 'decision', at, instruction: pointer, name: node.name, result, trace })
      if (failure !== undefined) return this.#failUndecided(instruction, failure, entries)
      if (!result) why = 'condition'
    }
    if (why !== undefined) {
      const last = instruction.kind === 'step' ? pointer : instruction.end
      entries.push({ kind: 'skipped', at, instruction: pointer, name: node.name, why })
      entries.push(...skippedSteps(this.#table, pointer + 1, last, why, at))
      return this.#move({ pointer: last + 1 }, entries)
    }
    if (instruction.kind === 'step') return this.#enterStep(instruction, entries)
    entries.push({ kind: 'groupEntered', at, instruction: pointer, name: node.name })
    await this.#move({ pointer: pointer + 1, openGroups: [...openGroups, { start: pointer }] }, entries)
  }

  /** A step or group whose condition fails is a failed one; nothing of it is run. */
  #failUndecided(of: StepInstruction | GroupStart, failure: string, entries: JournalEntry[]): Promise<void> {
    const reason = problem('PLATFORM_NOT_SUPPORTED', `Its condition could not be decided: ${failure}.`)
    const at = this.#host.now()
    const { pointer, debug, flags: started } = this.#state
    if (of.kind === 'step') {
      const { name, type: stepType } = of.step
      entries.push({ kind: 'stepStarted', at, instruction: pointer, name, stepType })
      return this.#endStep({ startedAt: at }, { problem: reason, final: true }, this.#environment(), entries)
    }
    const stops = started.includes(flags.debugAtGroups) && of.group.continueOnError !== true
    if (!stops || !this.#debugsFailures(this.#environment())) return this.#passOn(reason, entries, {})
    entries.push(debugStopped(this.#table, this.#state, at, 'failed', reason))
    return this.#move({ transitions: 0, debug: waiting(debug, pointer, 'failed', reason) }, entries)
  }

  /** For displays, also after this process took over in the middle of a step. */
  #announce({ step, number }: StepInstruction): void {
    this.#host.progress({
      kind: 'stepStarted',
      instruction: this.#state.pointer,
      name: step.name,
      step: number,
      stepCount: this.#table.stepCount,
    })
  }

  async #enterStep(instruction: StepInstruction, entries: JournalEntry[]): Promise<void> {
    const { step } = instruction
    const { pointer } = this.#state
    const startedAt = this.#host.now()
    this.#enteredMs = this.#host.monotonicMs()
    this.#announce(instruction)
    entries.push({ kind: 'stepStarted', at: startedAt, instruction: pointer, name: step.name, stepType: step.type })
    if (!bind(step).fetches) return this.#prepare({ startedAt }, entries)
    await this.#move({ phase: { kind: 'preparing', bootId: this.#host.bootId(), startedAt } }, entries)
  }

  /**
   * Does the engine's part of the present step and, where there is one, starts the runner's.
   * @param entries what is to be journalled with the next commit
   */
  async #prepare(at: StepPlace, entries: JournalEntry[], tries = 1): Promise<void> {
    const place = placeOf(at)
    const { step } = this.#step()
    const environment = this.#environment()
    environment.setOwn('_SMSTSCurrentActionName', step.name)
    environment.setOwn('_SMSTSLastActionRetryCount', String(place.retries ?? 0))
    environment.setOwn('_SMSTSInstructionStackString', this.#state.openGroups.map(({ start }) => start).join(' '))
    for (const name of ['SMSTSNextInstructionPointer', '_SMSTSNextInstructionPointer'])
      environment.setOwn(name, String(this.#state.pointer))
    let prepared: Prepared
    try {
      prepared = await bind(step).prepare(this.#stepContext(environment, entries, place.part ?? 0))
    } catch (error) {
      if (this.#stop.aborted) return
      if (this.#isCancelled()) return this.#breakOff(this.#cancelled())
      throw error
    }
    if (prepared.kind === 'done') return this.#endStep(place, prepared, environment, entries)
    await this.#act({ ...place, tries }, prepared.action, environment, entries)
  }

  /** Commits the intent, then starts the runner (R2). */
  async #act(
    place: StepPlace & Pick<Starting, 'tries' | 'probing'>,
    action: Action,
    environment: Environment,
    entries: JournalEntry[],
  ): Promise<void> {
    const attempts = this.#state.attempts + 1
    const attempt = `${this.#state.pointer}-${attempts}`
    const phase: Phase = { kind: 'stepStarting', attempt, bootId: this.#host.bootId(), ...place }
    await this.#move({ phase, attempts, variables: environment.variables }, [...entries, ...environment.changes])
    await this.#host.start(attempt, action, this.#limitOf(action))
  }

  /** R9 */
  #limitOf(action: Action): number | undefined {
    if (action.kind === 'upgradeOperatingSystem') return undefined
    return this.#state.ending === undefined ? this.#leftMs() : CLEANUP_COMMAND_MS
  }

  /** The pause before another try, and the try. */
  async #retry(phase: Extract<Phase, { kind: 'retryPending' }>): Promise<void> {
    try {
      const left = this.#leftMs()
      await this.#host.wait(left === undefined ? phase.delayMs : Math.min(phase.delayMs, left), this.#interrupts())
    } catch (error) {
      if (this.#stop.aborted || this.#isCancelled()) return
      throw error
    }
    await this.#prepare(phase, [])
  }

  async #awaitAttempt(phase: Starting): Promise<void> {
    const { step } = this.#step()
    let outcome: ActionOutcome
    try {
      outcome = await this.#host.outcome(phase.attempt, this.#stop)
    } catch (error) {
      if (this.#stop.aborted) return
      throw error
    }
    if (phase.probing === true) return this.#takeProbe(phase, outcome)
    const environment = this.#environment()
    const entries: JournalEntry[] = []
    const end = (conclusion: StepEnd): Promise<void> => this.#endStep(phase, conclusion, environment, entries)
    switch (outcome.kind) {
      case 'exited': {
        const refused = applyChanges(outcome.changes, environment)
        const { restart, ...concluded } = await bind(step).conclude(
          outcome,
          this.#stepContext(environment, entries, phase.part ?? 0),
        )
        const reason = concluded.problem ?? refused
        if (reason !== undefined) return end({ ...concluded, problem: reason })
        return end(restart === undefined ? concluded : { ...concluded, restart })
      }
      case 'timedOut':
        applyChanges(outcome.changes, environment)
        if (this.#leftMs() === 0) return end({ problem: this.#tookTooLong() })
        return end({ problem: problem('STEP_TIMED_OUT', `${step.name} took longer than its time-out.`) })
      case 'couldNotStart':
        return end({ problem: problem('STEP_COULD_NOT_START', outcome.detail) })
      case 'notStarted':
        return this.#repeat(phase, 'notStarted', phase.tries)
      case 'unknown':
        if ('class' in step && phase.tries < MAX_TRIES) {
          if (step.class === 'idempotent') return this.#repeat(phase, 'lost', phase.tries + 1)
          if (step.class === 'probe') return this.#probe(phase)
        }
        return this.#endUnknown(phase)
    }
  }

  #endUnknown(phase: Starting): Promise<void> {
    const { name } = this.#step().step
    const tried = phase.tries > 1 ? ` It was tried ${phase.tries} times.` : ''
    const reason = problem('STEP_OUTCOME_UNKNOWN', `Nobody saw how ${name} ended.${tried}`)
    return this.#endStep(phase, { problem: reason, outcome: 'unknown', final: true }, this.#environment(), [])
  }

  /** Starts the step's probe in the place of an attempt that was lost. */
  async #probe(phase: Starting): Promise<void> {
    if (this.#exhausted()) return this.#breakOff(this.#stuck()) // R7
    const environment = this.#environment()
    const action = probeAction(this.#step().step, environment)
    if (!action.ok) return this.#endUnknown(phase)
    await this.#act({ ...placeOf(phase), tries: phase.tries, probing: true }, action.value, environment, [])
  }

  #takeProbe(phase: Starting, outcome: ActionOutcome): Promise<void> {
    if (outcome.kind === 'exited' && outcome.exitCode === 0)
      return this.#endStep(phase, { exitCode: 0 }, this.#environment(), [])
    if (outcome.kind === 'exited' && outcome.exitCode === 1) return this.#repeat(phase, 'notDone', phase.tries + 1)
    if (outcome.kind === 'notStarted' || (outcome.kind === 'unknown' && phase.tries < MAX_TRIES))
      return this.#probe(outcome.kind === 'unknown' ? { ...phase, tries: phase.tries + 1 } : phase)
    return this.#endUnknown(phase)
  }

  /** R4 */
  #repeat(phase: Starting, why: 'notStarted' | 'lost' | 'notDone', tries: number): Promise<void> {
    if (this.#isCancelled()) return this.#breakOff(this.#cancelled())
    if (this.#exhausted()) return this.#breakOff(this.#stuck()) // R7
    const { name } = this.#step().step
    const at = this.#host.now()
    const { attempt } = phase
    const entry: JournalEntry = { kind: 'stepRepeated', at, instruction: this.#state.pointer, name, attempt, why }
    return this.#prepare(phase, [entry], tries)
  }

  async #endStep(at0: StepPlace, end: StepEnd, environment: Environment, entries: JournalEntry[]): Promise<void> {
    const place = placeOf(at0)
    const { pointer } = this.#state
    const { step } = this.#step()
    const at = this.#host.now()
    const request = requestOf(this.#state, end, environment)
    if (request.kind === 'restart' && request.again) return this.#runAgain(place, request.order, environment, entries)
    const failure = request.kind === 'refused' ? request.problem : end.problem
    const asked = request.kind === 'restart' ? request.order : end.restart
    if (failure === undefined && end.next !== undefined)
      return this.#goOn({ ...place, part: end.next }, asked, environment, entries)
    if (failure !== undefined && end.final !== true && (place.retries ?? 0) < retriesOf(step) && !this.#isCancelled()) {
      const again = retrying(step, place, failure, environment, this.#endPlace(at))
      return this.#move(again.changes, [...entries, ...again.entries])
    }
    environment.setOwn('_SMSTSLastActionName', step.name)
    environment.setOwn('_SMSTSLastActionRetCode', String(end.exitCode ?? returnCode(failure)))
    environment.setOwn('_SMSTSLastActionSucceeded', failure === undefined ? 'true' : 'false')

    const stopsHere = failure !== undefined && step.continueOnError !== true && this.#debugsFailures(environment)
    const continues = failure === undefined || step.continueOnError === true
    const ms =
      this.#enteredMs === undefined ? Math.max(0, at - place.startedAt) : this.#host.monotonicMs() - this.#enteredMs
    const ended = stepFinished(step, end, failure, { at, instruction: pointer, ms })
    const journal: JournalEntry[] = [...entries, ...environment.changes, ended]
    this.#enteredMs = undefined
    const { variables } = environment
    if (continues) {
      const restart = failure === undefined || request.kind === 'restart' ? asked : undefined
      const left = leaving(restart, variables, this.#endPlace(at))
      await this.#move(left.changes, [...journal, ...left.entries])
    } else if (stopsHere) {
      journal.push(debugStopped(this.#table, this.#state, at, 'failed', failure))
      const debug = waiting(this.#state.debug, pointer, 'failed', failure)
      await this.#move({ phase: { kind: 'ready' }, variables, transitions: 0, debug }, journal)
    } else await this.#passOn(failure, journal, { variables })
    this.#host.progress({
      kind: 'stepFinished',
      instruction: pointer,
      name: step.name,
      ...(failure === undefined ? {} : { problem: failure }),
    })
  }

  /** R10: whether the run stands still now. */
  async #debugs(): Promise<boolean> {
    const stop = debugStop(this.#table, this.#state, this.#mayDebug)
    if (stop.kind !== 'stops') return stop.kind === 'waits' || (stop.kind === 'passes' && this.#debugWanted())
    const { pointer, debug } = this.#state
    const entry = debugStopped(this.#table, this.#state, this.#host.now(), stop.why)
    await this.#move({ debug: waiting(debug, pointer, stop.why), transitions: 0 }, [entry])
    return true
  }

  /** R10 */
  #debugsFailures({ variables }: Environment): boolean {
    if (!this.#mayDebug || this.#isCancelled() || this.#leftMs() === 0) return false
    return stopsAtFailure(this.#state, variables)
  }

  /** The failure of the present step or group, to the groups around it. */
  #passOn(reason: Problem, journal: JournalEntry[], changes: Partial<RunState>): Promise<void> {
    const { pointer } = this.#state
    const at = this.#host.now()
    const of = this.#table.instructions[pointer]
    const openGroups = [...this.#state.openGroups]
    const entries = [...journal]
    if (of?.kind === 'groupStart') {
      openGroups.push({ start: pointer })
      entries.push({ kind: 'groupEntered', at, instruction: pointer, name: of.group.name })
    }
    const unwound = unwind(this.#table, pointer, openGroups, at, this.#endOfPart())
    const all = { ...changes, openGroups: unwound.openGroups }
    entries.push(...unwound.entries)
    if (unwound.pointer !== undefined)
      return this.#move({ ...all, pointer: unwound.pointer, phase: { kind: 'ready' } }, entries)
    return this.#finish({ kind: 'failure', step: this.#present(), problem: reason }, entries, all)
  }

  /** A script asked for a restart and to be run again (configmgr-behaviour §3.8). */
  async #runAgain(
    place: StepPlace,
    restart: NonNullable<Conclusion['restart']>,
    environment: Environment,
    entries: JournalEntry[],
  ): Promise<void> {
    const requests = (place.requests ?? 0) + 1
    if (requests > MAX_REQUESTS) return this.#breakOff(this.#stuck())
    const { name } = this.#step().step
    const at = this.#host.now()
    const attempt = `${this.#state.pointer}-${this.#state.attempts}`
    const instruction = this.#state.pointer
    const entry: JournalEntry = { kind: 'stepRepeated', at, instruction, name, attempt, why: 'requested' }
    await this.#goOn({ ...place, requests }, restart, environment, [...entries, entry])
  }

  async #goOn(
    resume: StepPlace,
    restart: Conclusion['restart'],
    environment: Environment,
    entries: JournalEntry[],
  ): Promise<void> {
    const on = goingOn(resume, restart, environment, this.#endPlace(this.#host.now()))
    await this.#move(on.changes, [...entries, ...on.entries])
  }

  /** The boot and the time in which something of the present step ends. */
  #endPlace(at: number): EndPlace {
    return { state: this.#state, bootId: this.#host.bootId(), at }
  }

  /** Ends the run where it stands. */
  async #breakOff(reason: Problem): Promise<void> {
    const { changes, entries } = brokenOff(this.#table, this.#state, reason, this.#host.now())
    await this.#move(changes, entries)
  }

  /** The end of the main part, or of the run (R8). */
  #finish(came: RunResult, entries: JournalEntry[], changes: Partial<RunState> = {}): Promise<void> {
    const end = endOfRun(this.#table, this.#state, came, this.#host.now())
    return this.#move({ ...changes, ...end.changes }, [...entries, ...end.entries])
  }

  /** R1 */
  async #move(changes: Partial<RunState>, entries: JournalEntry[]): Promise<void> {
    const moved = changes.pointer !== undefined && changes.pointer !== this.#state.pointer
    const transitions = changes.transitions ?? (moved ? 0 : this.#state.transitions + 1)
    const activeMs = (this.#state.activeMs ?? 0) + this.#clock.count()
    this.#state = { ...this.#state, ...changes, transitions, activeMs }
    await this.#host.commit(this.#state, entries)
  }

  #exhausted(): boolean {
    return this.#state.transitions >= MAX_TRANSITIONS
  }

  #stuck(): Problem {
    return stuck(MAX_TRANSITIONS, this.#present())
  }

  #cancelled(): Problem {
    return cancelled(this.#present())
  }

  #tookTooLong(): Problem {
    return tookTooLong(this.#state.limitMs ?? 0, this.#present())
  }

  /** Milliseconds that the run may still take; undefined: no bound. */
  #leftMs(): number | undefined {
    return this.#clock.leftMs(this.#state)
  }

  /** What the end of the maximum run time does not stop: what is waited for, and a run that is through. */
  #mayEnd(): boolean {
    const { phase, pointer } = this.#state
    if (phase.kind === 'ready') return pointer >= this.#endOfPart()
    return phase.kind === 'stepStarting' || phase.kind === 'rebootPending'
  }

  /** R8 */
  #isCancelled(): boolean {
    return this.#cancel?.aborted === true && this.#state.ending === undefined
  }

  #interrupts(): AbortSignal {
    if (this.#cancel === undefined || this.#state.ending !== undefined) return this.#stop
    return AbortSignal.any([this.#stop, this.#cancel])
  }

  #endOfPart(): number {
    return endOfPart(this.#table, this.#state)
  }

  #stepContext(environment: Environment, entries: JournalEntry[], part: number): StepContext {
    const { pointer: instruction } = this.#state
    const { name } = this.#step().step
    return createStepContext({
      ...{ host: this.#host, environment, entries, part, instruction, name },
      acquire: async (packageId, files) => {
        const signal = this.#interrupts()
        const content = await this.#host.acquire(packageId, downloadRetry(environment), signal, files, this.#leftMs())
        signal.throwIfAborted()
        return content
      },
    })
  }

  #environment(): Environment {
    return new Environment(this.#state.variables, () => this.#host.now())
  }

  #step(): StepInstruction {
    const instruction = this.#table.instructions[this.#state.pointer]
    if (instruction?.kind !== 'step') throw new Error(`instruction ${this.#state.pointer} is not a step`)
    return instruction
  }

  /** Name of the present instruction, for people. */
  #present(): string {
    return presentName(this.#table, this.#state.pointer)
  }
}
