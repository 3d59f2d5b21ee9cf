import type { Sequence } from '@sluice/protocol'
import { elementsIn } from './element.ts'
import { sequenceElement } from './export-sequence.ts'

/** Elements of the XML that a sequence holds, sub-sequences apart from steps. */
export interface SequenceCounts {
  steps: number
  groups: number
  subSequences: number
  conditions: number
  /** Single conditions; operators and platform groups are not counted. */
  expressions: number
  /** Of steps, of the sequence, and operands of conditions. */
  variables: number
}

/** Counts what the native form holds, by writing it as XML: what is not in it is not counted. */
export function countElements(sequence: Sequence): SequenceCounts {
  const found = new Map<string, number>()
  for (const { name } of elementsIn(sequenceElement(sequence, () => {}))) found.set(name, (found.get(name) ?? 0) + 1)
  const of = (name: string): number => found.get(name) ?? 0
  return {
    steps: of('step'),
    groups: of('group'),
    subSequences: of('subtasksequence'),
    conditions: of('condition'),
    expressions: of('expression'),
    variables: of('variable'),
  }
}
