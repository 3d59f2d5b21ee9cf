/** Devices as administrators see them. */
import { z } from 'zod'
import { AgentInfo, DeviceFacts } from '../facts.ts'
import { CollectionId, DeviceId, GatewayId, Sha256 } from '../ids.ts'
import { DeviceUser } from './enrolment.ts'
import { PageQuery, pageOf } from './page.ts'
import { type AdminRoute, none, plain } from './route.ts'

const Time = z.iso.datetime()

export const DeviceInfo = z.object({
  id: DeviceId,
  state: z.enum(['pending', 'approved', 'revoked']),
  facts: DeviceFacts,
  agent: AgentInfo,
  /** SHA-256 of the device's public key. */
  fingerprint: Sha256,
  enrolledAt: Time,
  lastSeenAt: Time.optional(),
  lastGatewayId: GatewayId.optional(),
  /** Since when two computers use its identity: it is shut out until that is resolved. */
  blockedAt: Time.optional(),
  /** Who signed in to let it in. */
  user: DeviceUser.optional(),
})
export type DeviceInfo = z.infer<typeof DeviceInfo>

/** Which devices a list has; what is absent is not asked. */
export const DeviceQuery = PageQuery.extend({
  /** Part of the host name, in small or capital letters. */
  name: z.string().min(1).max(255).optional(),
  /** `approved`: let in, and not blocked. */
  state: z.enum(['pending', 'approved', 'revoked', 'blocked']).optional(),
  collection: CollectionId.optional(),
  seenAfter: Time.optional(),
  /** Devices that were never seen included. */
  seenBefore: Time.optional(),
})
export type DeviceQuery = z.infer<typeof DeviceQuery>

export const deviceAdminRoutes = {
  /** In the order in which they came. */
  devices: { method: 'GET', path: '/admin/v1/devices', ...plain, query: DeviceQuery, answer: pageOf(DeviceInfo) },
  device: { method: 'GET', path: '/admin/v1/devices/:id', ...plain, answer: DeviceInfo },
  approveDevice: {
    method: 'POST',
    path: '/admin/v1/devices/:id/approve',
    ...plain,
    body: z.strictObject({ fingerprint: Sha256 }),
    answer: DeviceInfo,
  },
  /** Forgets a device that waits for approval; one that was ever let in stays on record. */
  deleteDevice: { method: 'DELETE', path: '/admin/v1/devices/:id', ...plain, answer: none },
  /** Asks the device to sync policy now. The answer says how many gateways were told; it may listen to another, or be off. */
  syncDevice: {
    method: 'POST',
    path: '/admin/v1/devices/:id/sync',
    ...plain,
    body: none,
    answer: z.object({ gatewaysTold: z.int().nonnegative() }),
  },
  revokeDevice: { method: 'POST', path: '/admin/v1/devices/:id/revoke', ...plain, body: none, answer: DeviceInfo },
} as const satisfies Record<string, AdminRoute>
