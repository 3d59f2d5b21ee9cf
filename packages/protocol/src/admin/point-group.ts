/** Groups of distribution points: what is sent to one goes to every member. */
import { z } from 'zod'
import { DistributionPointId, PackageId, PointGroupId } from '../ids.ts'
import { type AdminRoute, Name, none, plain } from './route.ts'

export const PointGroupInfo = z.object({
  id: PointGroupId,
  name: z.string(),
  members: z.array(DistributionPointId),
  /** What goes to every member, also to those that come later. */
  packages: z.array(PackageId),
})
export type PointGroupInfo = z.infer<typeof PointGroupInfo>

export const PointGroupCreate = z.strictObject({ name: Name })
export const PointGroupMembers = z.strictObject({ members: z.array(DistributionPointId).max(100) })

export const pointGroupRoutes = {
  pointGroups: {
    method: 'GET',
    path: '/admin/v1/distribution-point-groups',
    ...plain,
    answer: z.array(PointGroupInfo),
  },
  createPointGroup: {
    method: 'POST',
    path: '/admin/v1/distribution-point-groups',
    ...plain,
    body: PointGroupCreate,
    answer: PointGroupInfo,
  },
  /** New members get everything that was sent to the group; who leaves keeps what it has. */
  setPointGroupMembers: {
    method: 'PUT',
    path: '/admin/v1/distribution-point-groups/:id/members',
    ...plain,
    body: PointGroupMembers,
    answer: PointGroupInfo,
  },
  /** The members keep what they have. */
  deletePointGroup: { method: 'DELETE', path: '/admin/v1/distribution-point-groups/:id', ...plain, answer: none },
} as const satisfies Record<string, AdminRoute>
