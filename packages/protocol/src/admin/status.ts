/** Status messages of devices, as the site took them. */
import { z } from 'zod'
import { DeviceId } from '../ids.ts'
import { StatusMessage } from '../status.ts'
import { type AdminRoute, plain } from './route.ts'

export const StatusEntry = z.object({
  /** Rises with every message the site took; use as `after`. */
  cursor: z.int().positive(),
  deviceId: DeviceId,
  receivedAt: z.iso.datetime(),
  message: StatusMessage,
})
export type StatusEntry = z.infer<typeof StatusEntry>

export const statusRoutes = {
  /** `?after=<cursor>&waitMs=<0 to 30000>&device=<id>`: at most 1,000 entries; waits for the first when there are none. */
  status: { method: 'GET', path: '/admin/v1/status', ...plain, answer: z.array(StatusEntry) },
} as const satisfies Record<string, AdminRoute>
