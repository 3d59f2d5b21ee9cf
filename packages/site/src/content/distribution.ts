/**
 * Where a version shall be and how far it is there.
 *
 *     waiting ──pulling──> transferring ──present──> installed
 *        └──────failed──────┘   │  ^                     │ (an object went missing)
 *                               v  │ pulling             v
 *                            retrying, failed  <──── transferring
 *
 * Whoever distributes again sends it back to `waiting`, until the gateway has verified what it holds.
 *
 * The gateway pulls and tries again by itself; here is what it said. `failed` waits for somebody:
 * trying again will not help.
 */
import type { ContentReport, DistributionState, Problem } from '@sluice/protocol'
import type { z } from 'zod'

export interface DistributionProgress {
  state: z.output<typeof DistributionState>
  presentBytes: number
  totalBytes: number
  /** Failures since the gateway was told. */
  attempts: number
  problem: Problem | undefined
}

/** What a distribution is after a gateway reported. `reason` is the report's problem, if its code is known. */
export function afterReport(
  before: DistributionProgress,
  report: ContentReport,
  reason: Problem | undefined,
): DistributionProgress {
  const { presentBytes, totalBytes } = report
  const { attempts } = before
  if (report.state === 'present') return { state: 'installed', presentBytes, totalBytes, attempts, problem: undefined }
  if (report.state === 'pulling')
    return { state: 'transferring', presentBytes, totalBytes, attempts, problem: undefined }
  return {
    state: reason?.retry === 'never' ? 'failed' : 'retrying',
    presentBytes,
    totalBytes,
    attempts: attempts + 1,
    problem: reason,
  }
}
