/** Deployments, how they stand on each device, and what is said to their runs. */
import { z } from 'zod'
import { DeploymentSettings } from '../deployment.ts'
import { CollectionId, DeploymentId, DeviceId, RunId, SequenceId } from '../ids.ts'
import { Problem } from '../problem.ts'
import { RunReport } from '../run-report.ts'
import { DeploymentApproval, DeploymentApprove } from './approval.ts'
import { MAX_PAGE, PageQuery, pageOf } from './page.ts'
import { type AdminRoute, Name, none, plain } from './route.ts'

export const DeploymentCreate = z.strictObject({
  /** Id or name of a sequence. */
  sequence: Name,
  /** Id or name of a collection. */
  collection: Name,
  settings: DeploymentSettings,
})

export const DeploymentDeviceState = z.enum([
  'waiting',
  'offered',
  'refused',
  'running',
  'succeeded',
  'failed',
  'cancelled',
])

/** How a deployment stands on a device of its collection. */
export const DeploymentDevice = z.object({
  deviceId: DeviceId,
  state: DeploymentDeviceState,
  refusals: z.array(Problem),
  /** The run shall end; the device has not said yet that it has. */
  cancelOrdered: z.literal(true).optional(),
  /** The run shall rest before its next step. */
  pauseOrdered: z.literal(true).optional(),
  /** The device's user lets the run rest: until then at the latest. */
  userPausedUntil: z.iso.datetime().optional(),
  /** Of the run that goes on or ended last. */
  runId: RunId.optional(),
  report: RunReport.optional(),
})
export type DeploymentDevice = z.infer<typeof DeploymentDevice>

export const DeploymentInfo = z.object({
  id: DeploymentId,
  revision: z.int().positive(),
  sequenceId: SequenceId,
  sequenceName: z.string(),
  collectionId: CollectionId,
  collectionName: z.string(),
  settings: DeploymentSettings,
  /** What stands against it for internet clients now; each names the setting to change. */
  internetRefusals: z.array(Problem),
  approval: DeploymentApproval.optional(),
  /** The first of them by their ids, at most 1,000; route `deploymentDevices` gives all. */
  devices: z.array(DeploymentDevice).max(MAX_PAGE),
  /** Of all devices of its collection; a state that none is in is absent. */
  counts: z.partialRecord(DeploymentDeviceState, z.int().positive()),
})
export type DeploymentInfo = z.infer<typeof DeploymentInfo>

export const DeploymentDeviceQuery = PageQuery.extend({ state: DeploymentDeviceState.optional() })
export type DeploymentDeviceQuery = z.infer<typeof DeploymentDeviceQuery>

export const deploymentRoutes = {
  deployments: { method: 'GET', path: '/admin/v1/deployments', ...plain, answer: z.array(DeploymentInfo) },
  deployment: { method: 'GET', path: '/admin/v1/deployments/:id', ...plain, answer: DeploymentInfo },
  /** By their ids. */
  deploymentDevices: {
    method: 'GET',
    path: '/admin/v1/deployments/:id/devices',
    ...plain,
    query: DeploymentDeviceQuery,
    answer: pageOf(DeploymentDevice),
  },
  createDeployment: {
    method: 'POST',
    path: '/admin/v1/deployments',
    ...plain,
    body: DeploymentCreate,
    answer: DeploymentInfo,
  },
  changeDeployment: {
    method: 'PUT',
    path: '/admin/v1/deployments/:id',
    ...plain,
    body: DeploymentSettings,
    answer: DeploymentInfo,
  },
  /** By somebody else than who made it. */
  approveDeployment: {
    method: 'POST',
    path: '/admin/v1/deployments/:id/approve',
    ...plain,
    body: DeploymentApprove,
    answer: DeploymentInfo,
  },
  /** Ends the run that a device is in, at its next safe point. */
  cancelRun: {
    method: 'POST',
    path: '/admin/v1/deployments/:id/cancel',
    ...plain,
    body: z.strictObject({ deviceId: DeviceId }),
    answer: DeploymentInfo,
  },
  /** Lets the run of a device rest before its next step (`paused: true`), or go on. */
  pauseRun: {
    method: 'POST',
    path: '/admin/v1/deployments/:id/pause',
    ...plain,
    body: z.strictObject({ deviceId: DeviceId, paused: z.boolean() }),
    answer: DeploymentInfo,
  },
  deleteDeployment: { method: 'DELETE', path: '/admin/v1/deployments/:id', ...plain, answer: none },
} as const satisfies Record<string, AdminRoute>
