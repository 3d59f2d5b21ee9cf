import { done, type StepKind } from './step-kind.ts'

/** Seconds that the user is warned; the default of the original's editor (configmgr-behaviour §8.2). */
const DEFAULT_TIMEOUT_SECONDS = 60

export const restartComputer: StepKind<'restartComputer'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const message = environment.expand(step.message ?? '')
    if (!message.ok) return done(message.problem)
    return {
      kind: 'done',
      restart: {
        message: message.value.shown.slice(0, 512),
        timeoutSeconds: step.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS,
      },
    }
  },
}
