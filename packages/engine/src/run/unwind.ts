/**
 * What a failing step does to the groups around it (configmgr-behaviour §3.2): the rest of its group
 * is skipped and the group fails, so does the group around that, up to the first one with
 * *Continue on error*, behind which the run goes on. Without one the run fails.
 */
import type { GroupStart, InstructionTable } from './flatten.ts'
import type { JournalEntry, OpenGroup } from './run-state.ts'

export interface Unwound {
  /** Where the run goes on; undefined: the run failed. */
  pointer: number | undefined
  openGroups: OpenGroup[]
  entries: JournalEntry[]
}

/** @param pointer index of the step that failed; @param at time for the journal; @param end behind the last instruction of its part */
export function unwind(
  table: InstructionTable,
  pointer: number,
  open: readonly OpenGroup[],
  at: number,
  end = table.instructions.length,
): Unwound {
  const openGroups = [...open]
  const entries: JournalEntry[] = []
  let next = pointer + 1
  for (let group = openGroups.pop(); group !== undefined; group = openGroups.pop()) {
    const start = groupStart(table, group.start)
    entries.push(...skippedSteps(table, next, start.end, 'groupFailed', at))
    entries.push({ kind: 'groupLeft', at, instruction: start.end, name: start.group.name, failed: true })
    next = start.end + 1
    if (start.group.continueOnError === true) return { pointer: next, openGroups, entries }
  }
  entries.push(...skippedSteps(table, next, end, 'groupFailed', at))
  return { pointer: undefined, openGroups, entries }
}

type Why = Extract<JournalEntry, { kind: 'skipped' }>['why']

/** An entry for every step between two instructions, `to` exclusive. */
export function skippedSteps(table: InstructionTable, from: number, to: number, why: Why, at: number): JournalEntry[] {
  const entries: JournalEntry[] = []
  for (let index = from; index < to; index++) {
    const instruction = table.instructions[index]
    if (instruction?.kind === 'step')
      entries.push({ kind: 'skipped', at, instruction: index, name: instruction.step.name, why })
  }
  return entries
}

export function groupStart(table: InstructionTable, index: number): GroupStart {
  const instruction = table.instructions[index]
  if (instruction?.kind !== 'groupStart') throw new Error(`instruction ${index} is not the start of a group`)
  return instruction
}
