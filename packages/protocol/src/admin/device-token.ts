/** Tokens that let devices in. */
import { z } from 'zod'
import { EnrolmentBundle } from '../enrolment.ts'
import { DeviceId, TokenId } from '../ids.ts'
import { PageQuery, pageOf } from './page.ts'
import { type AdminRoute, none, plain } from './route.ts'

const Time = z.iso.datetime()

export const DeviceTokenCreate = z.strictObject({
  /** How many devices may use it. */
  uses: z.int().min(1).max(100_000).default(1),
  /** Default 24 hours for one device, 3 days for several; at most 7 days. */
  lifeMs: z
    .int()
    .min(60_000)
    .max(7 * 24 * 3600_000)
    .optional(),
})

export const DeviceTokenInfo = z.object({
  id: TokenId,
  /** Holds the token itself; shown this once, stored hashed. */
  bundle: EnrolmentBundle,
  expiresAt: Time,
})
export type DeviceTokenInfo = z.infer<typeof DeviceTokenInfo>

/** A token as it is remembered: what it let in, and whether it lets in more. */
export const DeviceTokenEntry = z.object({
  id: TokenId,
  state: z.enum(['open', 'usedUp', 'expired', 'blocked']),
  uses: z.int().positive(),
  used: z.int().nonnegative(),
  createdAt: Time,
  expiresAt: Time,
  blockedAt: Time.optional(),
  /** Devices that it let in, oldest first; at most 100 are named. */
  devices: z.array(z.object({ deviceId: DeviceId, at: Time })).max(100),
})
export type DeviceTokenEntry = z.infer<typeof DeviceTokenEntry>

export const deviceTokenRoutes = {
  createDeviceToken: {
    method: 'POST',
    path: '/admin/v1/device-tokens',
    ...plain,
    body: DeviceTokenCreate,
    answer: DeviceTokenInfo,
  },
  /** Newest first. */
  deviceTokens: {
    method: 'GET',
    path: '/admin/v1/device-tokens',
    ...plain,
    query: PageQuery,
    answer: pageOf(DeviceTokenEntry),
  },
  /** For good: it lets nobody in any more. Who is in already stays in. */
  blockDeviceToken: {
    method: 'POST',
    path: '/admin/v1/device-tokens/:id/block',
    ...plain,
    body: none,
    answer: DeviceTokenEntry,
  },
  /** What a computer needs to enrol and wait for approval: no token, no secret. */
  enrolmentBundle: { method: 'GET', path: '/admin/v1/enrolment-bundle', ...plain, answer: EnrolmentBundle },
} as const satisfies Record<string, AdminRoute>
