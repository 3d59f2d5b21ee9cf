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
 * A gateway pulls and tries again by itself; here is what it said. For a cloud distribution point the
 * site uploads, and tries again so often. `failed` waits for somebody.
 */
import type { ContentReport, DistributionState, Problem } from '@sluice/protocol'
import type { z } from 'zod'

/** Uploads to a cloud distribution point that may fail before it is given up: two days of tries. */
export const MOST_TRIES = 100
const FIRST_PAUSE_MS = 5_000
const LONGEST_PAUSE_MS = 30 * 60_000

/** The pause before the next upload, in milliseconds. @param attempts that failed so far, from 1 */
export const pauseAfter = (attempts: number): number => Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempts - 1))

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
