/**
 * What is durable about a run: enough to go on after any crash. The journal is its history, for
 * people and for the report.
 */
import type { DebugReason, PackageId, Problem, StepOutcome, StepType } from '@sluice/protocol'
import type { RunDebug } from '../debug/debug.ts'
import type { AttemptId } from '../host.ts'

export interface Variable {
  /** Name as first written; names compare without case. */
  name: string
  value: string
  hidden: boolean
}

/** A group whose start was passed and whose end was not. */
export interface OpenGroup {
  /** Instruction index of the group's start. */
  start: number
}

/** How far a step is that was entered. What is absent is 0. */
export interface StepPlace {
  startedAt: number
  /** Parts of the step that are behind it: steps that install several things take them one by one. */
  part?: number
  /** Tries after the first that its option *retry* gave it. */
  retries?: number
  /** How often its script asked for a restart and to be run again (`SMSTSRetryRequested`). */
  requests?: number
}

export type Phase =
  | { kind: 'ready' }
  /** The step was entered, its condition is decided; its content is being made available. */
  | ({ kind: 'preparing'; bootId: string } & StepPlace)
  /**
   * Intent before action: the attempt may or may not have started. `tries` counts attempts that may have
   * acted. `probing`: the attempt only looks how an earlier one ended.
   */
  | ({ kind: 'stepStarting'; attempt: AttemptId; tries: number; bootId: string; probing?: true } & StepPlace)
  /** The step failed and is tried again after a pause. */
  | ({ kind: 'retryPending'; bootId: string; delayMs: number } & StepPlace)
  /** The machine must come back with another boot id. The step is done with, or goes on at `resume`. */
  | { kind: 'rebootPending'; bootId: string; message: string; timeoutSeconds: number; resume?: StepPlace }
  | { kind: 'finished'; result: RunResult }

export type RunResult =
  | { kind: 'success' }
  | { kind: 'failure'; step: string; problem: Problem }
  | { kind: 'cancelled' }

export interface RunState {
  v: 1
  /** Behaviours of the engine that this run was started with (flags.ts). */
  flags: number[]
  /** Index of the next instruction. */
  pointer: number
  openGroups: OpenGroup[]
  /** By lower-case name. */
  variables: Record<string, Variable>
  phase: Phase
  /** Attempts so far; the next attempt's id is derived from it. */
  attempts: number
  /** State transitions since the pointer last moved; bounds the run (REL-07). */
  transitions: number
  /** New boots seen so far, asked for or not. */
  restarts: number
  /** How the main part came out, while the steps of `finally` run. */
  ending?: RunResult
  /** Time that a process carried the run, in milliseconds; pauses and a device that is off do not count. */
  activeMs?: number
  /** Maximum run time; absent for runs of engines that had none. */
  limitMs?: number
  /** The debugger was there, or is. */
  debug?: RunDebug
}

export type JournalEntry =
  | { kind: 'runStarted'; at: number }
  | { kind: 'groupEntered'; at: number; instruction: number; name: string }
  | { kind: 'groupLeft'; at: number; instruction: number; name: string; failed: boolean }
  /** A skipped or failed group has one entry for each step in it that was not run, too. */
  | { kind: 'skipped'; at: number; instruction: number; name: string; why: 'disabled' | 'condition' | 'groupFailed' }
  /** Each condition with the values of its operands, readable by a person. */
  | { kind: 'decision'; at: number; instruction: number; name: string; result: boolean; trace: string }
  /** Once a step, whatever crashes in between. */
  | { kind: 'stepStarted'; at: number; instruction: number; name: string; stepType: StepType }
  /** An earlier attempt never began, or was lost and the step is `idempotent`. */
  | {
      kind: 'stepRepeated'
      at: number
      instruction: number
      name: string
      attempt: AttemptId
      /** `requested`: its script asked for it. `notDone`: its probe says that it had not done its work. */
      why: 'notStarted' | 'lost' | 'requested' | 'notDone'
    }
  /** The step failed and is tried again. `retry` counts from 1. */
  | {
      kind: 'stepRetried'
      at: number
      instruction: number
      name: string
      retry: number
      delayMs: number
      problem: Problem
    }
  /** What a step has to tell on its way, for people. */
  | { kind: 'stepNote'; at: number; instruction: number; name: string; text: string }
  /** The main part is over; the steps of `finally` follow. */
  | { kind: 'cleanupStarted'; at: number; result: RunResult }
  | { kind: 'paused' | 'resumed'; at: number }
  /** The run stands still in the debugger. `problem`: of the step that failed there. */
  | { kind: 'debugStopped'; at: number; instruction: number; name: string; why: DebugReason; problem?: Problem }
  /** An order of the debugger, obeyed or refused. */
  | { kind: 'debugOrder'; at: number; instruction: number; n: number; text: string; refused?: Problem }
  /** A package that the step goes on without (continueOnPackageError). */
  | { kind: 'contentFailed'; at: number; instruction: number; name: string; packageId: PackageId; problem: Problem }
  /** The content of a package is there, or could not be had. Noted by the host, beside what the engine commits. */
  | {
      kind: 'content'
      at: number
      instruction: number
      packageId: PackageId
      neededBytes: number
      fetchedBytes: number
      /** Where it came from, by name, in the order of their use. */
      sources: string[]
      passedOver: { name: string; problem: { code: string; detail: string } }[]
      problem?: Problem
    }
  | {
      kind: 'stepFinished'
      at: number
      instruction: number
      name: string
      stepType: StepType
      outcome: StepOutcome
      ms: number
      exitCode?: number
      problem?: Problem
    }
  /** `value` is masked when the variable is hidden, and empty when it was removed. */
  | { kind: 'variableSet'; at: number; name: string; value: string; hidden: boolean }
  | { kind: 'restartRequested'; at: number; message: string }
  | { kind: 'restarted'; at: number; bootId: string }
  | { kind: 'runFinished'; at: number; result: RunResult }
