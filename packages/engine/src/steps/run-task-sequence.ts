import { problem } from '@sluice/protocol'
import { done, type StepKind } from './step-kind.ts'

/** Never reached in a run: its steps stand in its place before the run begins (children.ts). */
export const runTaskSequence: StepKind<'runTaskSequence'> = {
  fetches: () => false,
  prepare: async (step) => done(problem('SEQUENCE_REFERENCE_MISSING', `Sequence ${step.sequence} is not here.`)),
}
