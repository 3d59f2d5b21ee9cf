import type { Problem, ProblemCode } from '@sluice/protocol'

/**
 * The number that `_SMSTSLastActionRetCode` shows for a step that has no exit code of its own, as
 * the original would (configmgr-behaviour §3.9, §9.1). Unsigned, like every code that scripts compare.
 */
export function returnCode(problem: Problem | undefined): number {
  return problem === undefined ? 0 : (codes[problem.code] ?? 0x80004005)
}

const codes: Partial<Record<ProblemCode, number>> = {
  READINESS_FAILED: 4316,
  /** The original ends a program at its time-out with this system code. */
  STEP_TIMED_OUT: 1460,
  STEP_COULD_NOT_START: 0x80070002,
  CONTENT_NOT_DISTRIBUTED: 0x80040102,
  CONTENT_CORRUPT: 0x80091007,
  NO_SPACE: 0x80070070,
}
