/**
 * Carries out a sequence on a device, one instruction after another. Owns the order of things and
 * what is durable when. Does not own what a step type does (steps/), how failures pass through
 * groups (unwind.ts), or how anything outside happens (host.ts).
 *
 * R1. State changes only by `#move`, and every change is committed before anything follows from it.
 * R2. Intent before action: an attempt is started only after a commit that names it.
 * R3. At most three commits a step: entered (only when it fetches content), intent (only when it
 *     acts), end. Pointer, open groups, variables and journal of an instruction are one commit.
 * R4. A step whose end is committed is never started again; one whose intent is committed is waited
 *     for first. Only an attempt that never began, or was lost while the step is `idempotent`
 *     (at most `MAX_TRIES` times), is followed by another.
 * R5. `rebootPending` is committed before the caller is told to restart; the run goes on with
 *     another boot only.
 * R6. Stopping (the agent ends) changes nothing. Cancelling ends the run, between steps or while
 *     content is fetched; a program that runs is waited for, never torn.
 * R7. At most `MAX_TRANSITIONS` changes without the pointer moving (REL-07), then the run fails.
 */
import { type Problem, ProblemError, problem, type StepOutcome } from '@sluice/protocol'
import { decide } from './condition.ts'
import { downloadRetry } from './download-retry.ts'
import { unknownFlags } from './flags.ts'
import type { GroupStart, InstructionTable, StepInstruction } from './flatten.ts'
import type { ActionOutcome, Host, VariableChange } from './host.ts'
import { choosePackage } from './package-choice.ts'
import { returnCode } from './return-code.ts'
import type { JournalEntry, Phase, RunResult, RunState } from './run-state.ts'
import { bind } from './steps/index.ts'
import type { Conclusion, Prepared, StepContext } from './steps/step-kind.ts'
import { groupStart, skippedSteps, unwind } from './unwind.ts'
import { Environment } from './variables.ts'

export const MAX_TRIES = 3
export const MAX_TRANSITIONS = 10

export type Advance =
  | { kind: 'finished'; state: RunState; result: RunResult }
  /** Restart the machine, then advance again; with the same boot this is asked for again. */
  | { kind: 'restart'; state: RunState; message: string; timeoutSeconds: number }
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

type StepEnd = Conclusion & { outcome?: StepOutcome }

class Run {
  #state: RunState
  /** When this process entered the present step, on the rising clock. */
  #enteredMs: number | undefined
  readonly #table: InstructionTable
  readonly #host: Host
  readonly #stop: AbortSignal
  readonly #cancel: AbortSignal | undefined

  constructor({ table, state, host, stop, cancel }: AdvanceOptions) {
    this.#state = state
    this.#table = table
    this.#host = host
    this.#stop = stop
    this.#cancel = cancel
  }

  async advance(): Promise<Advance> {
    await this.#arrive()
    for (;;) {
      const { phase } = this.#state
      if (phase.kind === 'finished') return { kind: 'finished', state: this.#state, result: phase.result }
      if (this.#stop.aborted) return { kind: 'stopped', state: this.#state }
      if (this.#exhausted() && phase.kind !== 'stepStarting')
        await this.#breakOff(this.#stuck()) // R7
      else if (this.#cancel?.aborted && phase.kind !== 'stepStarting')
        await this.#breakOff(this.#cancelled()) // R6
      else if (phase.kind === 'rebootPending')
        return { kind: 'restart', state: this.#state, message: phase.message, timeoutSeconds: phase.timeoutSeconds }
      else if (phase.kind === 'ready') await this.#nextInstruction()
      else if (phase.kind === 'preparing') await this.#prepare(phase.startedAt, [])
      else await this.#awaitAttempt(phase)
    }
  }

  /** Takes note of a restart since the last commit. */
  async #arrive(): Promise<void> {
    const { phase, restarts } = this.#state
    if (phase.kind === 'ready' || phase.kind === 'finished') return
    if (this.#exhausted()) return
    if (phase.kind !== 'rebootPending') this.#announce(this.#step())
    const bootId = this.#host.bootId()
    const at = this.#host.now()
    if (phase.bootId !== bootId) {
      const next: Phase = phase.kind === 'rebootPending' ? { kind: 'ready' } : { ...phase, bootId }
      await this.#move({ phase: next, restarts: restarts + 1 }, [{ kind: 'restarted', at, bootId }])
    } else if (phase.kind === 'rebootPending')
      await this.#move({}, [{ kind: 'restartRequested', at, message: phase.message }]) // R5; counted for R7
  }

  async #nextInstruction(): Promise<void> {
    const { pointer, openGroups } = this.#state
    const instruction = this.#table.instructions[pointer]
    const at = this.#host.now()
    if (instruction === undefined) return this.#finish({ kind: 'success' }, [])
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
    const { pointer, openGroups } = this.#state
    if (of.kind === 'step') {
      const { name, type: stepType } = of.step
      entries.push({ kind: 'stepStarted', at, instruction: pointer, name, stepType })
      return this.#endStep(at, { problem: reason }, this.#environment(), entries)
    }
    const { name } = of.group
    entries.push({ kind: 'groupEntered', at, instruction: pointer, name })
    const unwound = unwind(this.#table, pointer, [...openGroups, { start: pointer }], at)
    entries.push(...unwound.entries)
    const changes = { openGroups: unwound.openGroups }
    if (unwound.pointer !== undefined) return this.#move({ ...changes, pointer: unwound.pointer }, entries)
    return this.#finish({ kind: 'failure', step: name, problem: reason }, entries, changes)
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
    if (!bind(step).fetches) return this.#prepare(startedAt, entries)
    await this.#move({ phase: { kind: 'preparing', bootId: this.#host.bootId(), startedAt } }, entries)
  }

  /**
   * Does the engine's part of the present step and, where there is one, starts the runner's.
   * @param entries what is to be journalled with the next commit
   */
  async #prepare(startedAt: number, entries: JournalEntry[], tries = 1): Promise<void> {
    const { step } = this.#step()
    const environment = this.#environment()
    environment.setOwn('_SMSTSCurrentActionName', step.name)
    environment.setOwn('SMSTSNextInstructionPointer', String(this.#state.pointer))
    let prepared: Prepared
    try {
      prepared = await bind(step).prepare(this.#stepContext(environment, entries))
    } catch (error) {
      if (this.#stop.aborted) return
      if (this.#cancel?.aborted) return this.#breakOff(this.#cancelled())
      throw error
    }
    if (prepared.kind === 'done') return this.#endStep(startedAt, prepared, environment, entries)

    const attempts = this.#state.attempts + 1
    const attempt = `${this.#state.pointer}-${attempts}`
    const phase: Phase = { kind: 'stepStarting', attempt, tries, bootId: this.#host.bootId(), startedAt }
    await this.#move({ phase, attempts, variables: environment.variables }, [...entries, ...environment.changes]) // R2
    await this.#host.start(attempt, prepared.action)
  }

  async #awaitAttempt(phase: Phase & { kind: 'stepStarting' }): Promise<void> {
    const { step } = this.#step()
    let outcome: ActionOutcome
    try {
      outcome = await this.#host.outcome(phase.attempt, this.#stop)
    } catch (error) {
      if (this.#stop.aborted) return
      throw error
    }
    const environment = this.#environment()
    const end = (conclusion: StepEnd): Promise<void> => this.#endStep(phase.startedAt, conclusion, environment, [])
    switch (outcome.kind) {
      case 'exited': {
        const refused = applyChanges(outcome.changes, environment)
        const { restart, ...concluded } = bind(step).conclude(outcome, environment)
        const reason = concluded.problem ?? refused
        if (reason !== undefined) return end({ ...concluded, problem: reason })
        return end(restart === undefined ? concluded : { ...concluded, restart })
      }
      case 'timedOut':
        applyChanges(outcome.changes, environment)
        return end({ problem: problem('STEP_TIMED_OUT', `${step.name} took longer than its time-out.`) })
      case 'couldNotStart':
        return end({ problem: problem('STEP_COULD_NOT_START', outcome.detail) })
      case 'notStarted':
        return this.#repeat(phase, 'notStarted', phase.tries)
      case 'unknown': {
        const idempotent = 'class' in step && step.class === 'idempotent'
        if (idempotent && phase.tries < MAX_TRIES) return this.#repeat(phase, 'lost', phase.tries + 1)
        const tried = phase.tries > 1 ? ` It was tried ${phase.tries} times.` : ''
        return end({
          problem: problem('STEP_OUTCOME_UNKNOWN', `Nobody saw how ${step.name} ended.${tried}`),
          outcome: 'unknown',
        })
      }
    }
  }

  /** R4 */
  #repeat(phase: Phase & { kind: 'stepStarting' }, why: 'notStarted' | 'lost', tries: number): Promise<void> {
    if (this.#cancel?.aborted) return this.#breakOff(this.#cancelled())
    if (this.#exhausted()) return this.#breakOff(this.#stuck()) // R7
    const { name } = this.#step().step
    const at = this.#host.now()
    const { attempt } = phase
    const entry: JournalEntry = { kind: 'stepRepeated', at, instruction: this.#state.pointer, name, attempt, why }
    return this.#prepare(phase.startedAt, [entry], tries)
  }

  async #endStep(startedAt: number, end: StepEnd, environment: Environment, entries: JournalEntry[]): Promise<void> {
    const { pointer, openGroups } = this.#state
    const { step } = this.#step()
    const at = this.#host.now()
    const failure = end.problem
    environment.setOwn('_SMSTSLastActionName', step.name)
    environment.setOwn('_SMSTSLastActionRetCode', String(end.exitCode ?? returnCode(failure)))
    environment.setOwn('_SMSTSLastActionSucceeded', failure === undefined ? 'true' : 'false')

    const continues = failure === undefined || step.continueOnError === true
    const journal: JournalEntry[] = [
      ...entries,
      ...environment.changes,
      {
        kind: 'stepFinished',
        at,
        instruction: pointer,
        name: step.name,
        stepType: step.type,
        outcome: end.outcome ?? (failure === undefined ? 'succeeded' : continues ? 'failedContinued' : 'failed'),
        ms: this.#enteredMs === undefined ? Math.max(0, at - startedAt) : this.#host.monotonicMs() - this.#enteredMs,
        ...(end.exitCode === undefined ? {} : { exitCode: end.exitCode }),
        ...(failure === undefined ? {} : { problem: failure }),
      },
    ]
    this.#enteredMs = undefined
    const { variables } = environment
    if (continues) {
      const restart = failure === undefined ? end.restart : undefined
      let phase: Phase = { kind: 'ready' }
      if (restart !== undefined) {
        phase = { kind: 'rebootPending', bootId: this.#host.bootId(), ...restart }
        journal.push({ kind: 'restartRequested', at, message: restart.message })
      }
      await this.#move({ pointer: pointer + 1, phase, variables }, journal)
    } else {
      const unwound = unwind(this.#table, pointer, openGroups, at)
      journal.push(...unwound.entries)
      const changes = { openGroups: unwound.openGroups, variables }
      if (unwound.pointer !== undefined)
        await this.#move({ ...changes, pointer: unwound.pointer, phase: { kind: 'ready' } }, journal)
      else await this.#finish({ kind: 'failure', step: step.name, problem: failure }, journal, changes)
    }
    this.#host.progress({
      kind: 'stepFinished',
      instruction: pointer,
      name: step.name,
      ...(failure === undefined ? {} : { problem: failure }),
    })
  }

  /** Ends the run where it stands. */
  async #breakOff(reason: Problem): Promise<void> {
    const { pointer, phase } = this.#state
    const instruction = this.#table.instructions[pointer]
    const at = this.#host.now()
    const entries: JournalEntry[] = []
    if (instruction?.kind === 'step' && (phase.kind === 'preparing' || phase.kind === 'stepStarting'))
      entries.push({
        kind: 'stepFinished',
        at,
        instruction: pointer,
        name: instruction.step.name,
        stepType: instruction.step.type,
        outcome: 'failed',
        ms: Math.max(0, at - phase.startedAt),
        problem: reason,
      })
    const cancelled = reason.code === 'RUN_CANCELLED'
    await this.#finish(
      cancelled ? { kind: 'cancelled' } : { kind: 'failure', step: this.#present(), problem: reason },
      entries,
    )
  }

  #finish(result: RunResult, entries: JournalEntry[], changes: Partial<RunState> = {}): Promise<void> {
    return this.#move({ ...changes, phase: { kind: 'finished', result } }, [
      ...entries,
      { kind: 'runFinished', at: this.#host.now(), result },
    ])
  }

  /** R1 */
  async #move(changes: Partial<RunState>, entries: JournalEntry[]): Promise<void> {
    const moved = changes.pointer !== undefined && changes.pointer !== this.#state.pointer
    this.#state = { ...this.#state, ...changes, transitions: moved ? 0 : this.#state.transitions + 1 }
    await this.#host.commit(this.#state, entries)
  }

  #exhausted(): boolean {
    return this.#state.transitions >= MAX_TRANSITIONS
  }

  #stuck(): Problem {
    return problem('RUN_STUCK', `${MAX_TRANSITIONS} changes at ${this.#present()} without progress.`)
  }

  #cancelled(): Problem {
    return problem('RUN_CANCELLED', `Cancelled at ${this.#present()}.`)
  }

  #stepContext(environment: Environment, entries: JournalEntry[]): StepContext {
    return {
      host: this.#host,
      environment,
      choose: (choice) => choosePackage(choice, environment),
      acquire: async (packageId, files) => {
        const signal = this.#cancel === undefined ? this.#stop : AbortSignal.any([this.#stop, this.#cancel])
        const content = await this.#host.acquire(packageId, downloadRetry(environment), signal, files)
        signal.throwIfAborted()
        if (content.ok) environment.setOwn(`_SMSTS${packageId}`, content.value.folder)
        return content
      },
      contentFailed: (packageId, reason) => {
        const { pointer } = this.#state
        const { name } = this.#step().step
        entries.push({
          kind: 'contentFailed',
          at: this.#host.now(),
          instruction: pointer,
          name,
          packageId,
          problem: reason,
        })
      },
    }
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
    const instruction = this.#table.instructions[this.#state.pointer]
    if (instruction === undefined) return 'the end of the sequence'
    if (instruction.kind === 'step') return instruction.step.name
    return (instruction.kind === 'groupEnd' ? groupStart(this.#table, instruction.start) : instruction).group.name
  }
}
