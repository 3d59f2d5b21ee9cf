/** When a run stands still for the debugger (R10 of run.ts); what an order then does is in debug.ts. */
import type { DebugReason, Problem } from '@sluice/protocol'
import { flags } from '../run/flags.ts'
import type { InstructionTable } from '../run/flatten.ts'
import { endOfPart, presentName } from '../run/run-end.ts'
import type { JournalEntry, RunState } from '../run/run-state.ts'
import type { Variables } from '../run/variables.ts'
import { isSwitchedOn, stopsAt } from './debug.ts'

export type DebugStop =
  /** It stands still already. */
  | { kind: 'waits' }
  /** It stops here, and that is to be committed. */
  | { kind: 'stops'; why: DebugReason }
  /** Orders may be taken here, without stopping. */
  | { kind: 'passes' }
  | { kind: 'none' }

/** Before the instruction that the pointer is at. */
export function debugStop(table: InstructionTable, state: RunState, mayDebug: boolean): DebugStop {
  const { pointer, debug, ending, variables, restarts, attempts } = state
  if (ending !== undefined || pointer >= endOfPart(table, state)) return { kind: 'none' }
  if (debug?.mode === 'waiting') return { kind: 'waits' }
  const begins = debug === undefined && pointer === 0 && attempts === 0 && restarts === 0
  if (begins && mayDebug && isSwitchedOn(variables, 'TSDebugMode')) return { kind: 'stops', why: 'started' }
  const why = table.instructions[pointer]?.kind === 'groupEnd' ? undefined : stopsAt(debug, pointer)
  if (why !== undefined) return { kind: 'stops', why }
  // What was ordered is done first: a step ends soon by itself.
  return debug?.mode === 'stepping' ? { kind: 'none' } : { kind: 'passes' }
}

/** Whether a failure lets the run stand still. A variable may ask for it (flag `debugOnError`), since the step may have set it. */
export function stopsAtFailure({ debug, ending, flags: started }: RunState, variables: Variables): boolean {
  if (ending !== undefined) return false
  if (debug !== undefined && debug.mode !== 'detached') return true
  return started.includes(flags.debugOnError) && isSwitchedOn(variables, 'TSDebugOnError')
}

export function debugStopped(
  table: InstructionTable,
  { pointer }: RunState,
  at: number,
  why: DebugReason,
  reason?: Problem,
): JournalEntry {
  const of = { kind: 'debugStopped', at, instruction: pointer, name: presentName(table, pointer), why } as const
  return reason === undefined ? of : { ...of, problem: reason }
}
