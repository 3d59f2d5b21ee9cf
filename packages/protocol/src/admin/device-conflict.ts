/** Devices that the site cannot tell apart by itself, and what an administrator makes of them. */
import { z } from 'zod'
import { DeviceId } from '../ids.ts'
import { PageQuery, pageOf } from './page.ts'
import { type AdminRoute, plain } from './route.ts'

/**
 * What happens when a computer enrols, with good proof, whose hardware the site knows as an approved device: it
 * becomes a device of its own, and an administrator is asked whether it is the other one; it takes the place of the
 * record; it becomes another device, and nobody is asked.
 */
export const ConflictRule = z.strictObject({ rule: z.enum(['ask', 'merge', 'new']) })
export type ConflictRule = z.infer<typeof ConflictRule>

export const DeviceConflict = z.object({
  deviceId: DeviceId,
  name: z.string(),
  /**
   * `reenrolled`: its hardware is that of `other`; without proof of another kind it waits. `cloned`: two computers use its identity; it is
   * shut out until that is resolved.
   */
  kind: z.enum(['reenrolled', 'cloned']),
  other: z.object({ deviceId: DeviceId, name: z.string() }).optional(),
  /** How the site knows. */
  detail: z.string(),
  since: z.iso.datetime(),
})
export type DeviceConflict = z.infer<typeof DeviceConflict>

export const ConflictResolution = z.strictObject({
  /**
   * `merge`: it is the same computer. One that waits takes the other's record over, with id, collections, variables
   * and history; one that is let in already gets collections and variables, and the other is shut out for good.
   * `new`: it is another device. `block`: it is shut out for good.
   */
  resolution: z.enum(['merge', 'new', 'block']),
})
export type ConflictResolution = z.infer<typeof ConflictResolution>['resolution']

export const deviceConflictRoutes = {
  deviceConflicts: {
    method: 'GET',
    path: '/admin/v1/device-conflicts',
    maxBodyBytes: 0,
    query: PageQuery,
    answer: pageOf(DeviceConflict),
  },
  /** The answer names the device that remains. */
  resolveDeviceConflict: {
    method: 'POST',
    path: '/admin/v1/device-conflicts/:id/resolution',
    ...plain,
    body: ConflictResolution,
    answer: z.object({ deviceId: DeviceId }),
  },
  conflictRule: { method: 'GET', path: '/admin/v1/device-conflict-rule', maxBodyBytes: 0, answer: ConflictRule },
  setConflictRule: {
    method: 'PUT',
    path: '/admin/v1/device-conflict-rule',
    ...plain,
    body: ConflictRule,
    answer: ConflictRule,
  },
} as const satisfies Record<string, AdminRoute>
