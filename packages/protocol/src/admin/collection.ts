/** Collections of devices. */
import { z } from 'zod'
import { CollectionId, DeviceId } from '../ids.ts'
import { type AdminRoute, Name, plain } from './route.ts'

export const CollectionInfo = z.object({ id: CollectionId, name: z.string(), members: z.array(DeviceId) })
export type CollectionInfo = z.infer<typeof CollectionInfo>

export const collectionRoutes = {
  collections: { method: 'GET', path: '/admin/v1/collections', ...plain, answer: z.array(CollectionInfo) },
  createCollection: {
    method: 'POST',
    path: '/admin/v1/collections',
    ...plain,
    body: z.strictObject({ name: Name }),
    answer: CollectionInfo,
  },
  setCollectionMembers: {
    method: 'PUT',
    path: '/admin/v1/collections/:id/members',
    maxBodyBytes: 8 * 1024 * 1024,
    body: z.strictObject({ members: z.array(DeviceId).max(200_000) }),
    answer: CollectionInfo,
  },
} as const satisfies Record<string, AdminRoute>
