/** What is sent to distribution points, taken away from them, and looked after there. */
import { z } from 'zod'
import { DistributionPointId, PointGroupId } from '../ids.ts'
import { PackageInfo } from './package.ts'
import { type AdminRoute, plain } from './route.ts'

/** Where something is distributed to: a content-enabled gateway, a cloud distribution point, or a group of both. */
export const DistributionTarget = z.union([DistributionPointId, PointGroupId])
export type DistributionTarget = z.infer<typeof DistributionTarget>

export const DistributeRequest = z.strictObject({ to: z.array(DistributionTarget).min(1).max(100) })

export const DistributionRemove = z.strictObject({
  from: z.array(DistributionTarget).min(1).max(100),
  /** Also where a deployment needs it. What devices may be fetching stays until they are done. */
  force: z.boolean().default(false),
})

/** Points of the package, as they are listed with it. */
export const DistributionOrder = z.strictObject({ at: z.array(DistributionTarget).min(1).max(100) })

export const distributionRoutes = {
  distributePackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/distribution',
    ...plain,
    body: DistributeRequest,
    answer: PackageInfo,
  },
  /** Distributes everything that the sequence references. */
  distributeSequence: {
    method: 'POST',
    path: '/admin/v1/sequences/:id/distribution',
    ...plain,
    body: DistributeRequest,
    answer: z.array(PackageInfo),
  },
  /** Takes a package away from points. Refused while a deployment needs it there, unless forced. */
  removeDistribution: {
    method: 'POST',
    path: '/admin/v1/packages/:id/distribution/remove',
    ...plain,
    body: DistributionRemove,
    answer: PackageInfo,
  },
  /** Ends what is under way; what is whole stays. */
  cancelDistribution: {
    method: 'POST',
    path: '/admin/v1/packages/:id/distribution/cancel',
    ...plain,
    body: DistributionOrder,
    answer: PackageInfo,
  },
  /** Reads and hashes what lies there, and mends it. */
  validateDistribution: {
    method: 'POST',
    path: '/admin/v1/packages/:id/distribution/validate',
    ...plain,
    body: DistributionOrder,
    answer: PackageInfo,
  },
} as const satisfies Record<string, AdminRoute>
