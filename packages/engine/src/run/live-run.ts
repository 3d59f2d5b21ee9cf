/**
 * A run that this process carries: its state as it was committed last, and what can be told of it without
 * changing it. Owns the one way by which state changes (R1 of run.ts) and the count against standing still (R7).
 * Does not own what changes, or when: instruction.ts, attempt.ts and step-finish.ts decide that, and run.ts
 * calls them in turn.
 *
 * V1. `state` is what is committed, or is being committed by the `move` under way; there is never another one.
 * V2. Nothing here but `move` and `enteredMs` changes.
 */
import type { Problem } from '@sluice/protocol'
import { stopsAtFailure } from '../debug/debug-stops.ts'
import type { Host } from '../host.ts'
import type { InstructionTable, StepInstruction } from './flatten.ts'
import { RunClock } from './run-clock.ts'
import { brokenOff, cancelled, endOfPart, endOfRun, presentName, stuck, tookTooLong } from './run-end.ts'
import type { JournalEntry, RunResult, RunState } from './run-state.ts'
import type { EndPlace } from './step-end.ts'
import { Environment } from './variables.ts'

export const MAX_TRANSITIONS = 10

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

export class LiveRun {
  readonly table: InstructionTable
  readonly host: Host
  readonly stop: AbortSignal
  readonly mayDebug: boolean
  /** When this process entered the present step, on the rising clock; undefined: another one did. */
  enteredMs: number | undefined
  #state: RunState
  readonly #cancel: AbortSignal | undefined
  readonly #clock: RunClock

  constructor({ table, state, host, stop, cancel, mayDebug }: AdvanceOptions) {
    this.table = table
    this.host = host
    this.stop = stop
    this.mayDebug = mayDebug ?? false
    this.#state = state
    this.#cancel = cancel
    this.#clock = new RunClock(host)
  }

  get state(): RunState {
    return this.#state
  }

  /** Changes the state and commits it, with what the journal says of the change (R1). */
  async move(changes: Partial<RunState>, entries: JournalEntry[]): Promise<void> {
    const moved = changes.pointer !== undefined && changes.pointer !== this.#state.pointer
    const transitions = changes.transitions ?? (moved ? 0 : this.#state.transitions + 1)
    const activeMs = (this.#state.activeMs ?? 0) + this.#clock.count()
    this.#state = { ...this.#state, ...changes, transitions, activeMs }
    await this.host.commit(this.#state, entries)
  }

  /** Ends the run where it stands. */
  async breakOff(reason: Problem): Promise<void> {
    const { changes, entries } = brokenOff(this.table, this.#state, reason, this.host.now())
    await this.move(changes, entries)
  }

  /** The end of the main part, or of the run (R8). */
  finish(came: RunResult, entries: JournalEntry[], changes: Partial<RunState> = {}): Promise<void> {
    const end = endOfRun(this.table, this.#state, came, this.host.now())
    return this.move({ ...changes, ...end.changes }, [...entries, ...end.entries])
  }

  /** R7 */
  get isExhausted(): boolean {
    return this.#state.transitions >= MAX_TRANSITIONS
  }

  /** R8 */
  get isCancelled(): boolean {
    return this.#cancel?.aborted === true && this.#state.ending === undefined
  }

  /** What ends waiting and fetching: the agent's end, and the run's (R6). */
  interrupts(): AbortSignal {
    if (this.#cancel === undefined || this.#state.ending !== undefined) return this.stop
    return AbortSignal.any([this.stop, this.#cancel])
  }

  /** Milliseconds that the run may still take; undefined: no bound. */
  leftMs(): number | undefined {
    return this.#clock.leftMs(this.#state)
  }

  /** Whether the end of the maximum run time stops it: not what is waited for, and not a run that is through (R9). */
  get mayTimeOut(): boolean {
    const { phase, pointer } = this.#state
    if (phase.kind === 'ready') return pointer < this.endOfPart()
    return phase.kind !== 'stepStarting' && phase.kind !== 'rebootPending'
  }

  /** R10: whether a failure now lets the run stand still. */
  debugsFailures({ variables }: Environment): boolean {
    if (!this.mayDebug || this.isCancelled || this.leftMs() === 0) return false
    return stopsAtFailure(this.#state, variables)
  }

  stuck(): Problem {
    return stuck(MAX_TRANSITIONS, this.present())
  }

  cancelled(): Problem {
    return cancelled(this.present())
  }

  tookTooLong(): Problem {
    return tookTooLong(this.#state.limitMs ?? 0, this.present())
  }

  /** Behind the last instruction of the part that the pointer is in. */
  endOfPart(): number {
    return endOfPart(this.table, this.#state)
  }

  /** The boot and the time in which something of the present step ends. */
  endPlace(at: number): EndPlace {
    return { state: this.#state, bootId: this.host.bootId(), at }
  }

  /** The variables, to be changed; they count when `move` is given them. */
  environment(): Environment {
    return new Environment(this.#state.variables, () => this.host.now())
  }

  /** The present instruction, where it must be a step. */
  step(): StepInstruction {
    const instruction = this.table.instructions[this.#state.pointer]
    if (instruction?.kind !== 'step') throw new Error(`instruction ${this.#state.pointer} is not a step`)
    return instruction
  }

  /** Name of the present instruction, for people. */
  present(): string {
    return presentName(this.table, this.#state.pointer)
  }

  /** Says which step is at work; for displays, also after this process took over in the middle of it. */
  announce({ step, number }: StepInstruction): void {
    const { pointer: instruction } = this.#state
    const { stepCount } = this.table
    this.host.progress({ kind: 'stepStarted', instruction, name: step.name, step: number, stepCount })
  }
}
