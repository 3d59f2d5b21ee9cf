/**
 * What is durable about a run: enough to go on after any crash. The journal is its history, for
 * people and for the report.
 */
import type { Problem, StepOutcome, StepType } from '@sluice/protocol'
import type { AttemptId } from './host.ts'

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

export type Phase =
  | { kind: 'ready' }
  /** Intent before action: the attempt may or may not have started. */
  | { kind: 'stepStarting'; attempt: AttemptId; bootId: string; startedAt: number }
  /** Done with the step; the machine must come back with another boot id. */
  | { kind: 'rebootPending'; bootId: string; message: string; timeoutSeconds: number }
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
  /** State transitions so far; bounds the run (REL-07). */
  transitions: number
  restarts: number
}

export type JournalEntry =
  | { kind: 'runStarted'; at: number }
  | { kind: 'groupEntered'; at: number; instruction: number; name: string }
  | { kind: 'groupLeft'; at: number; instruction: number; name: string; failed: boolean }
  | { kind: 'skipped'; at: number; instruction: number; name: string; why: 'disabled' | 'condition' | 'groupFailed' }
  /** Each condition with the values of its operands, readable by a person. */
  | { kind: 'decision'; at: number; instruction: number; name: string; result: boolean; trace: string }
  | { kind: 'stepStarted'; at: number; instruction: number; name: string; stepType: StepType; attempt: AttemptId }
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
  | { kind: 'variableSet'; at: number; name: string; value: string; hidden: boolean }
  | { kind: 'restartRequested'; at: number; message: string }
  | { kind: 'restarted'; at: number; bootId: string }
  | { kind: 'runFinished'; at: number; result: RunResult }
