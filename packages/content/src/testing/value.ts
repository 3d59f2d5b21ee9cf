import { ProblemError, type Result } from '@sluice/protocol'

/** The value of a result, for callers to whom a problem is a surprise. */
export function value<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}
