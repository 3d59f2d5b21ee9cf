/** The debugger as administrators handle it: by device, since a device carries one run at a time. */
import { z } from 'zod'
import { DebugOrder, DebugState } from '../debug.ts'
import { DeploymentId, DeviceId, RunId } from '../ids.ts'
import { type AdminRoute, plain } from './route.ts'

export const DebugSession = z.object({
  deviceId: DeviceId,
  deploymentId: DeploymentId,
  runId: RunId,
  /** The last order that was given; the device has obeyed those up to `state.order`. */
  order: z.int().nonnegative(),
  /** What the device said last; absent until it said something. */
  state: DebugState.optional(),
  stateAt: z.iso.datetime().optional(),
})
export type DebugSession = z.infer<typeof DebugSession>

/** `runId`: the run that is meant; another one of the device is left alone. Absent: whichever goes on. */
export const DebugCommand = z.strictObject({ order: DebugOrder, runId: RunId.optional() })

export const debugRoutes = {
  /** The run that the device is in. */
  debugSession: { method: 'GET', path: '/admin/v1/devices/:id/debug', ...plain, answer: DebugSession },
  debugRun: { method: 'POST', path: '/admin/v1/devices/:id/debug', ...plain, body: DebugCommand, answer: DebugSession },
} as const satisfies Record<string, AdminRoute>
