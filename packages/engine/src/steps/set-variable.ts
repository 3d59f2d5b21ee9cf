import { done, type StepKind } from './step-kind.ts'

export const setVariable: StepKind<'setVariable'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const value = environment.expand(step.value)
    if (!value.ok) return done(value.problem)
    // A value made of a hidden one is hidden too.
    return done(environment.set(step.variable, value.value.value, step.hidden === true || value.value.hidden))
  },
}
