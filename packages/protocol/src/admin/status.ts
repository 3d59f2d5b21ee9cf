/** Status messages of devices, as the site took them. */
import { z } from 'zod'
import { DeviceId } from '../ids.ts'
import { StatusMessage } from '../status.ts'
import { MAX_PAGE } from './page.ts'
import { type AdminRoute, plain } from './route.ts'

export const StatusEntry = z.object({
  /** Rises with every message the site took; use as `after`. */
  cursor: z.int().positive(),
  deviceId: DeviceId,
  receivedAt: z.iso.datetime(),
  message: StatusMessage,
})
export type StatusEntry = z.infer<typeof StatusEntry>

export const StatusQuery = z.strictObject({
  /** Only entries with a larger cursor. */
  after: z.coerce.number().int().min(0).default(0),
  /** How long to wait for the first entry when there is none, in milliseconds. */
  waitMs: z.coerce.number().int().min(0).max(30_000).default(0),
  device: DeviceId.optional(),
  limit: z.coerce.number().int().min(1).max(MAX_PAGE).default(MAX_PAGE),
})

export const statusRoutes = {
  /** Oldest first; the cursor of the last one is where the next page begins. */
  status: { method: 'GET', path: '/admin/v1/status', ...plain, query: StatusQuery, answer: z.array(StatusEntry) },
} as const satisfies Record<string, AdminRoute>
