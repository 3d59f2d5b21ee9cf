import { problem } from '@sluice/protocol'
import { done, type StepKind } from './step-kind.ts'

/** Never reached in a run that was refused as it should be (obstacles.ts); fails where it is, all the same. */
export const kept: StepKind<'kept'> = {
  fetches: () => false,
  prepare: async (step) => done(problem('PLATFORM_NOT_SUPPORTED', `${step.name} is kept, but cannot run here.`)),
}
