/** What an administrator does with the admin API, and waits for. */
import { join } from 'node:path'
import {
  type AdminClient,
  type CollectionInfo,
  type ContentTarget,
  type DeploymentInfo,
  type DeploymentSettings,
  type DeviceId,
  type DistributionPointId,
  type GatewayId,
  type JobId,
  type PackageId,
  type PackageInfo,
  type PackageKind,
  ProblemError,
  type Result,
} from '@sluice/protocol'
import { until } from './until.ts'

/** A package to import. */
export interface PackageSource {
  id: PackageId
  name: string
  kind: PackageKind
  target: ContentTarget
  /** Folder that is imported, below the folder with all sources. */
  folder: string
}

/** The value of a result; its problem is thrown. */
export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}

/** Imports a package from below `sources` and waits for it. */
export async function importPackage(
  admin: AdminClient,
  { folder, ...source }: PackageSource,
  sources: string,
): Promise<PackageInfo> {
  const body = { ...source, folder: join(sources, folder) }
  await jobDone(admin, must(await admin.call('importPackage', { body })).jobId)
  return must(await admin.call('package', { id: source.id }))
}

/** Waits for a job of the site. */
export async function jobDone(admin: AdminClient, id: JobId): Promise<void> {
  await until(async () => {
    const job = must(await admin.call('job', { id }))
    if (job.state === 'failed') throw new Error(`${job.kind} of ${job.subject}: ${problemText(job.problem)}`)
    return job.state === 'succeeded'
  }, `job ${id}`)
}

/** Distributes packages to a distribution point and waits until it holds all of them. */
export async function distribute(
  admin: AdminClient,
  pointId: DistributionPointId,
  ids: readonly PackageId[],
): Promise<void> {
  for (const id of ids) must(await admin.call('distributePackage', { id, body: { to: [pointId] } }))
  for (const id of ids)
    await until(async () => {
      const info = must(await admin.call('package', { id }))
      const there = info.distribution.find((one) => one.pointId === pointId && one.version === info.version)
      if (there?.state === 'failed') throw new Error(`distribution of ${id}: ${problemText(there.problem)}`)
      return there?.state === 'installed'
    }, `${pointId} to hold ${id}`)
}

/** Waits until the connector has its link to a gateway. */
export async function linkUp(admin: AdminClient, id: GatewayId): Promise<void> {
  await until(
    async () => must(await admin.call('gateways')).some((one) => one.id === id && one.link.state === 'up'),
    'the link between site and gateway',
  )
}

/** Deploys a sequence, by name, to a collection of its own with these devices. */
export async function deployTo(
  admin: AdminClient,
  devices: DeviceId[],
  sequence: string,
  settings: Partial<DeploymentSettings>,
): Promise<DeploymentInfo> {
  const collection: CollectionInfo = must(
    await admin.call('createCollection', { body: { name: `Devices for ${sequence}` } }),
  )
  must(await admin.call('setCollectionMembers', { id: collection.id, body: { members: devices } }))
  const body = { sequence, collection: collection.id, settings: { allowInternet: true, ...settings } }
  return must(await admin.call('createDeployment', { body }))
}

const problemText = (problem: { code: string; detail: string } | undefined) =>
  problem ? `${problem.code}: ${problem.detail}` : 'no reason given'
