/**
 * The instruction table (design §6): a group takes an entry at its start and one at its end, a step
 * takes one. What is disabled stays in the table, so that pointers mean the same for everybody.
 */
import type { Group, Sequence, SequenceNode, Step } from '@sluice/protocol'
import type { z } from 'zod'

export interface GroupStart {
  kind: 'groupStart'
  group: z.infer<typeof Group>
  /** Index of the group's end. */
  end: number
}
export interface GroupEnd {
  kind: 'groupEnd'
  /** Index of the group's start. */
  start: number
}
export interface StepInstruction {
  kind: 'step'
  step: Step
  /**
   * The x of *step x of y*, from 1. Groups and steps that are disabled themselves are not counted;
   * enabled steps in a disabled group are (configmgr-behaviour §3.2). 0: not counted.
   */
  number: number
}
export type Instruction = GroupStart | GroupEnd | StepInstruction

export interface InstructionTable {
  instructions: readonly Instruction[]
  /** The y of *step x of y*. */
  stepCount: number
  /** Where the steps of `finally` begin; undefined: there are none. */
  cleanup: number | undefined
}

export function flatten(sequence: Sequence): InstructionTable {
  const instructions: Instruction[] = []
  let stepCount = 0
  const add = (nodes: readonly SequenceNode[]): void => {
    for (const node of nodes) {
      if (node.type === 'group') {
        const start: GroupStart = { kind: 'groupStart', group: node, end: 0 }
        const index = instructions.push(start) - 1
        add(node.steps)
        start.end = instructions.push({ kind: 'groupEnd', start: index }) - 1
      } else instructions.push({ kind: 'step', step: node, number: node.disabled === true ? 0 : ++stepCount })
    }
  }
  add(sequence.steps)
  if (sequence.finally === undefined) return { instructions, stepCount, cleanup: undefined }
  const cleanup = instructions.length
  add(sequence.finally)
  return { instructions, stepCount, cleanup }
}

/** Starts of the groups that an instruction is in, the outermost first. */
export function groupsAround(table: InstructionTable, index: number): number[] {
  const around: number[] = []
  for (let at = 0; at < index; at++) {
    const instruction = table.instructions[at]
    if (instruction?.kind === 'groupStart' && instruction.end >= index) around.push(at)
  }
  return around
}
