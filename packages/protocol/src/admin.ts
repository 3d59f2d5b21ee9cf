/**
 * The admin API of the site: schemas and routes, used by the site, the command line, the console
 * and tests. Input is strict; every refusal is a problem.
 */
import { z } from 'zod'
import { administrationRoutes } from './admin/administration-routes.ts'
import { alarmRoutes } from './admin/alarm.ts'
import { ApprovalRule, ApprovalRuleChange, DeploymentApproval, DeploymentApprove } from './admin/approval.ts'
import { debugRoutes } from './admin/debug.ts'
import { deviceConflictRoutes } from './admin/device-conflict.ts'
import {
  DistributeRequest,
  DistributionOrder,
  DistributionPointCreate,
  DistributionPointInfo,
  DistributionRemove,
  PointCredentials,
  PointGroupCreate,
  PointGroupInfo,
  PointGroupMembers,
} from './admin/distribution-points.ts'
import { DeviceUser, enrolmentRoutes } from './admin/enrolment.ts'
import { gatewayRoutes } from './admin/gateway.ts'
import { linkProxyRoutes } from './admin/link-proxy.ts'
import { organisationRoutes } from './admin/organisation.ts'
import { PackageCosts, PackageCostsRequest } from './admin/package-costs.ts'
import { CollectionReport, PackageDelete, PackageDeleted } from './admin/package-delete.ts'
import { PackageDiff, PackageDiffRequest } from './admin/package-diff.ts'
import { PackageOptions } from './admin/package-options.ts'
import { secretRoutes } from './admin/secret.ts'
import { SequenceDocument } from './admin/sequence-document.ts'
import { variableRoutes } from './admin/variables.ts'
import { catalogueRoutes, ReleaseState } from './catalogue.ts'
import { ClientSettings } from './client-settings.ts'
import { PackageKind } from './content.ts'
import { DeploymentSettings } from './deployment.ts'
import { EnrolmentBundle } from './enrolment.ts'
import { AgentInfo, ContentTarget, DeviceFacts } from './facts.ts'
import {
  CollectionId,
  ContentId,
  DeploymentId,
  DeviceId,
  DistributionPointId,
  GatewayId,
  JobId,
  PackageId,
  RunId,
  SequenceId,
  Sha256,
  SiteId,
  TokenId,
} from './ids.ts'
import { LabelQuery, PackageLabels } from './label.ts'
import { Problem } from './problem.ts'
import { RunReport } from './run-report.ts'
import { StatusMessage } from './status.ts'

const Name = z.string().min(1).max(255)
const Time = z.iso.datetime()

export const SiteInfo = z.object({
  siteId: SiteId,
  name: z.string(),
  version: z.string(),
  database: z.enum(['sqlite', 'postgres']),
  /** Keys on this machine, released on import. */
  catalogueMode: z.enum(['online', 'offline']),
})
export type SiteInfo = z.infer<typeof SiteInfo>

export const PackageImport = z.strictObject({
  /** Chosen by the site when absent. */
  id: PackageId.optional(),
  name: Name,
  kind: PackageKind,
  target: ContentTarget,
  /** Absolute path of a folder or an archive that the site can read. */
  folder: z.string().min(1).max(4000),
  /** Paths that many programs on Windows cannot open are refused, not only listed. */
  refuseLongPaths: z.boolean().optional(),
  labels: PackageLabels.optional(),
})
export type PackageImport = z.infer<typeof PackageImport>

export const PackageUpdate = z.strictObject({
  folder: z.string().min(1).max(4000),
  /** Files that look as they did are read too. */
  readAll: z.boolean().optional(),
  refuseLongPaths: z.boolean().optional(),
})

export const DistributionState = z.enum([
  'waiting',
  'transferring',
  'installed',
  'retrying',
  'failed',
  'cancelled',
  'removing',
])
export const PackageDistribution = z.object({
  pointId: DistributionPointId,
  version: z.int().positive(),
  state: DistributionState,
  presentBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  attempts: z.int().nonnegative(),
  /** Tries that the site still makes by itself; absent where a gateway goes on for as long as it takes. */
  retriesLeft: z.int().nonnegative().optional(),
  problem: Problem.optional(),
  changedAt: Time,
})
export type PackageDistribution = z.infer<typeof PackageDistribution>

export const PackageInfo = z.object({
  id: PackageId,
  name: z.string(),
  kind: PackageKind,
  target: ContentTarget,
  /** Newest version; 0 while the first import runs. */
  version: z.int().nonnegative(),
  contentId: ContentId.optional(),
  state: ReleaseState,
  /** An imported version that no release key has signed yet; devices keep the one before. */
  waitingVersion: z.int().positive().optional(),
  fileCount: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  storedBytes: z.int().nonnegative(),
  /** Absent: none. */
  labels: PackageLabels.optional(),
  /** What the import could not carry: owners, ACLs, … with the first paths. */
  losses: z.array(z.string()),
  distribution: z.array(PackageDistribution),
})
export type PackageInfo = z.infer<typeof PackageInfo>

/** A long piece of work at the site. */
export const JobInfo = z.object({
  id: JobId,
  kind: z.enum(['import', 'distribution']),
  state: z.enum(['waiting', 'running', 'succeeded', 'failed']),
  subject: z.string(),
  doneBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  problem: Problem.optional(),
})
export type JobInfo = z.infer<typeof JobInfo>

export const SequenceApply = z.strictObject({
  /** For messages only. */
  fileName: z.string().max(4000),
  /** YAML or JSON, as written. */
  text: z.string().max(2 * 1024 * 1024),
})

export const SequenceInfo = z.object({
  id: SequenceId,
  name: z.string(),
  revision: z.int().positive(),
  sha256: Sha256,
  /** Candidates by labels included, as they are now. */
  packages: z.array(PackageId),
  /** Labels by which steps ask for candidates; absent: none does. */
  candidates: z.array(LabelQuery).optional(),
  steps: z.int().nonnegative(),
  state: ReleaseState,
  /** Faults that do not hinder it from running. */
  warnings: z.array(z.string()),
})
export type SequenceInfo = z.infer<typeof SequenceInfo>

export const CollectionInfo = z.object({ id: CollectionId, name: z.string(), members: z.array(DeviceId) })
export type CollectionInfo = z.infer<typeof CollectionInfo>

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
  devices: z.array(
    z.object({
      deviceId: DeviceId,
      state: DeploymentDeviceState,
      refusals: z.array(Problem),
      /** The run shall end; the device has not said yet that it has. */
      cancelOrdered: z.literal(true).optional(),
      /** The run shall rest before its next step. */
      pauseOrdered: z.literal(true).optional(),
      /** The device's user lets the run rest: until then at the latest. */
      userPausedUntil: Time.optional(),
      /** Of the run that goes on or ended last. */
      runId: RunId.optional(),
      report: RunReport.optional(),
    }),
  ),
})
export type DeploymentInfo = z.infer<typeof DeploymentInfo>

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

export const StatusEntry = z.object({
  /** Rises with every message the site took; use as `after`. */
  cursor: z.int().positive(),
  deviceId: DeviceId,
  receivedAt: Time,
  message: StatusMessage,
})
export type StatusEntry = z.infer<typeof StatusEntry>

export interface AdminRoute {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  path: string
  maxBodyBytes: number
  body?: z.ZodType
  answer: z.ZodType
}

const KiB = 1024
const none = z.object({})
const plain = { maxBodyBytes: 64 * KiB } as const

/** Every route of the admin API. `:id` stands for the id of the thing. */
export const adminRoutes = {
  site: { method: 'GET', path: '/admin/v1/site', ...plain, answer: SiteInfo },
  clientSettings: { method: 'GET', path: '/admin/v1/client-settings', ...plain, answer: ClientSettings },
  setClientSettings: {
    method: 'PUT',
    path: '/admin/v1/client-settings',
    ...plain,
    body: ClientSettings,
    answer: ClientSettings,
  },
  packages: { method: 'GET', path: '/admin/v1/packages', ...plain, answer: z.array(PackageInfo) },
  package: { method: 'GET', path: '/admin/v1/packages/:id', ...plain, answer: PackageInfo },
  /** Starts the import; watch the job. */
  importPackage: {
    method: 'POST',
    path: '/admin/v1/packages',
    ...plain,
    body: PackageImport,
    answer: z.object({ packageId: PackageId, jobId: JobId }),
  },
  /** Imports the folder again as the next version; unchanged bytes cost nothing. */
  updatePackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/versions',
    ...plain,
    body: PackageUpdate,
    answer: z.object({ packageId: PackageId, jobId: JobId }),
  },
  packageOptions: { method: 'GET', path: '/admin/v1/packages/:id/options', ...plain, answer: PackageOptions },
  setPackageOptions: {
    method: 'PUT',
    path: '/admin/v1/packages/:id/options',
    ...plain,
    body: PackageOptions,
    answer: PackageOptions,
  },
  /** Puts these labels in the place of those that it has. `NOT_FOUND`. */
  setPackageLabels: {
    method: 'PUT',
    path: '/admin/v1/packages/:id/labels',
    ...plain,
    body: PackageLabels,
    answer: PackageInfo,
  },
  /** What an update from one version to another costs a device. `NOT_FOUND`. */
  diffPackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/diff',
    ...plain,
    body: PackageDiffRequest,
    answer: PackageDiff,
  },
  /** What an update costs each device, by what its cache holds. `NOT_FOUND`. */
  packageCosts: {
    method: 'POST',
    path: '/admin/v1/packages/:id/costs',
    ...plain,
    body: PackageCostsRequest,
    answer: PackageCosts,
  },
  /** Refused while somebody needs it. What devices may be fetching stays until they are done. */
  deletePackage: {
    method: 'POST',
    path: '/admin/v1/packages/:id/delete',
    ...plain,
    body: PackageDelete,
    answer: PackageDeleted,
  },
  /** Collects garbage now. `BUSY` while another process of the site does. */
  collectContent: { method: 'POST', path: '/admin/v1/content/collect', ...plain, answer: CollectionReport },
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
  ...catalogueRoutes,
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
  distributionPoints: {
    method: 'GET',
    path: '/admin/v1/distribution-points',
    ...plain,
    answer: z.array(DistributionPointInfo),
  },
  /** Tries the credentials on the storage before anything is kept. */
  createDistributionPoint: {
    method: 'POST',
    path: '/admin/v1/distribution-points',
    ...plain,
    body: DistributionPointCreate,
    answer: DistributionPointInfo,
  },
  /** Other credentials for the same place, tried before they take the place of the old ones. */
  replacePointCredentials: {
    method: 'PUT',
    path: '/admin/v1/distribution-points/:id/credentials',
    ...plain,
    body: PointCredentials,
    answer: DistributionPointInfo,
  },
  /** Only one that holds nothing. */
  deleteDistributionPoint: { method: 'DELETE', path: '/admin/v1/distribution-points/:id', ...plain, answer: none },
  job: { method: 'GET', path: '/admin/v1/jobs/:id', ...plain, answer: JobInfo },
  sequences: { method: 'GET', path: '/admin/v1/sequences', ...plain, answer: z.array(SequenceInfo) },
  /** `?revision=<number>`; without it, the newest. `NOT_FOUND`. */
  sequenceDocument: {
    method: 'GET',
    path: '/admin/v1/sequences/:id/document',
    ...plain,
    answer: SequenceDocument,
  },
  /** Creates or replaces the sequence of the name in the file. */
  applySequence: {
    method: 'PUT',
    path: '/admin/v1/sequences',
    maxBodyBytes: 5 * 1024 * KiB,
    body: SequenceApply,
    answer: SequenceInfo,
  },
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
    maxBodyBytes: 8 * 1024 * KiB,
    body: z.strictObject({ members: z.array(DeviceId).max(200_000) }),
    answer: CollectionInfo,
  },
  deployments: { method: 'GET', path: '/admin/v1/deployments', ...plain, answer: z.array(DeploymentInfo) },
  deployment: { method: 'GET', path: '/admin/v1/deployments/:id', ...plain, answer: DeploymentInfo },
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
  approvalRule: { method: 'GET', path: '/admin/v1/approval-rule', ...plain, answer: ApprovalRule },
  setApprovalRule: {
    method: 'PUT',
    path: '/admin/v1/approval-rule',
    ...plain,
    body: ApprovalRuleChange,
    answer: ApprovalRule,
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
  devices: { method: 'GET', path: '/admin/v1/devices', ...plain, answer: z.array(DeviceInfo) },
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
  createDeviceToken: {
    method: 'POST',
    path: '/admin/v1/device-tokens',
    ...plain,
    body: DeviceTokenCreate,
    answer: DeviceTokenInfo,
  },
  /** The newest 1,000, newest first. */
  deviceTokens: { method: 'GET', path: '/admin/v1/device-tokens', ...plain, answer: z.array(DeviceTokenEntry) },
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
  ...gatewayRoutes,
  ...alarmRoutes,
  ...organisationRoutes,
  ...enrolmentRoutes,
  ...deviceConflictRoutes,
  ...debugRoutes,
  ...linkProxyRoutes,
  ...secretRoutes,
  ...variableRoutes,
  /** `?after=<cursor>&waitMs=<0 to 30000>&device=<id>`: at most 1,000 entries; waits for the first when there are none. */
  status: { method: 'GET', path: '/admin/v1/status', ...plain, answer: z.array(StatusEntry) },
  ...administrationRoutes,
} as const satisfies Record<string, AdminRoute>

export type AdminRouteId = keyof typeof adminRoutes

/** What a program on the site's machine needs to reach the admin API: `admin-connection.json` of the data folder. */
export const AdminConnection = z.object({
  url: z.url(),
  /** Path of the PEM of the authority that signed the listener's certificate; only this one is trusted. */
  authority: z.string().min(1),
  /** Path of the file with an administrator's token. */
  tokenFile: z.string().min(1),
})
export type AdminConnection = z.infer<typeof AdminConnection>
