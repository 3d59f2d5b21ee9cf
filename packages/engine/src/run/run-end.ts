/** The end of a run, and of its main part: what becomes of the state, and the reasons of the engine's own (R6 to R9 of run.ts). */
import { type Problem, problem } from '@sluice/protocol'
import type { InstructionTable } from './flatten.ts'
import type { JournalEntry, RunResult, RunState } from './run-state.ts'
import { groupStart } from './unwind.ts'

/** Changes of the state that are committed together with these entries. */
export interface RunChange {
  changes: Partial<RunState>
  entries: JournalEntry[]
}

/** The end of the main part, or of the run (R8). */
export function endOfRun(table: InstructionTable, { ending }: RunState, came: RunResult, at: number): RunChange {
  if (ending === undefined && table.cleanup !== undefined)
    return {
      changes: { pointer: table.cleanup, openGroups: [], phase: { kind: 'ready' }, ending: came },
      entries: [{ kind: 'cleanupStarted', at, result: came }],
    }
  const result = ending === undefined || ending.kind === 'success' ? came : ending
  return { changes: { phase: { kind: 'finished', result } }, entries: [{ kind: 'runFinished', at, result }] }
}

/** Ends the run where it stands; a step that was entered has failed. */
export function brokenOff(table: InstructionTable, state: RunState, reason: Problem, at: number): RunChange {
  const { pointer, phase } = state
  const instruction = table.instructions[pointer]
  const entries: JournalEntry[] = []
  if (
    instruction?.kind === 'step' &&
    (phase.kind === 'preparing' || phase.kind === 'stepStarting' || phase.kind === 'retryPending')
  )
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
  const came: RunResult =
    reason.code === 'RUN_CANCELLED'
      ? { kind: 'cancelled' }
      : { kind: 'failure', step: presentName(table, pointer), problem: reason }
  const end = endOfRun(table, state, came, at)
  return { changes: end.changes, entries: [...entries, ...end.entries] }
}

/** Behind the last instruction of the part that the pointer is in. */
export const endOfPart = ({ cleanup, instructions }: InstructionTable, { ending }: RunState): number =>
  ending === undefined ? (cleanup ?? instructions.length) : instructions.length

/** Name of an instruction, for people. */
export function presentName(table: InstructionTable, pointer: number): string {
  const instruction = table.instructions[pointer]
  if (instruction === undefined) return 'the end of the sequence'
  if (instruction.kind === 'step') return instruction.step.name
  return (instruction.kind === 'groupEnd' ? groupStart(table, instruction.start) : instruction).group.name
}

export const stuck = (transitions: number, present: string): Problem =>
  problem('RUN_STUCK', `${transitions} changes at ${present} without progress.`)

export const cancelled = (present: string): Problem => problem('RUN_CANCELLED', `Cancelled at ${present}.`)

export const tookTooLong = (limitMs: number, present: string): Problem =>
  problem('RUN_TIME_EXCEEDED', `More than ${Math.round(limitMs / 60_000)} minutes had passed at ${present}.`)
