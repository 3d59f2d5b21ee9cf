/** How far one version of a package has come at one distribution point. */
import { z } from 'zod'
import { DistributionPointId } from '../ids.ts'
import { Problem } from '../problem.ts'

export const DistributionState = z.enum([
  'waiting',
  'transferring',
  'installed',
  'retrying',
  'failed',
  'cancelled',
  'removing',
])

export const PackageDistribution = z.object({
  pointId: DistributionPointId,
  version: z.int().positive(),
  state: DistributionState,
  presentBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  attempts: z.int().nonnegative(),
  /** Tries that the site still makes by itself; absent where a gateway goes on for as long as it takes. */
  retriesLeft: z.int().nonnegative().optional(),
  problem: Problem.optional(),
  changedAt: z.iso.datetime(),
})
export type PackageDistribution = z.infer<typeof PackageDistribution>
