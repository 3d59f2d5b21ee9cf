/** The last word on whether a deployment may start here and now: for the user's click and for the deadline alike. */
import { deploymentTiming, failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import type { AcceptedDeployment } from '../run/runs.ts'
import type { EvaluatedDeployment } from './evaluation.ts'

/** What a run needs, or the first reason why it may not start now. */
export type Startable = (one: EvaluatedDeployment) => Result<AcceptedDeployment>

/** Every reason why it may not start now, the first to mend first. */
export type RefusalsNow = (one: EvaluatedDeployment) => Problem[]

/**
 * @param mayStart why nothing new may start at all; see `Trust`
 * @param now milliseconds since 1970, by the site's signed time
 */
export function createStartable(
  mayStart: () => Problem | undefined,
  now: () => number,
): { startable: Startable; refusalsNow: RefusalsNow } {
  const refusalsNow: RefusalsNow = ({ deployment, refusals }) => {
    const passing = [deploymentTiming(deployment.settings, now()), mayStart()]
    return [...refusals, ...passing.filter((reason) => reason !== undefined)]
  }
  return {
    refusalsNow,
    startable(one) {
      const [refusal] = refusalsNow(one)
      if (refusal !== undefined) return failed(refusal)
      const { deployment, sequence, clientSettings, variables } = one
      if (sequence === undefined)
        return failed(problem('NOT_RELEASED', `The sequence of ${deployment.id} is not here.`))
      return ok({ deployment, sequence, clientSettings, variables })
    },
  }
}
