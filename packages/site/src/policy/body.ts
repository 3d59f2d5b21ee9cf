/** Builds what a device shall do, from what the site knows. The same facts give the same bytes. */
import {
  type CatalogueReference,
  type CollectionId,
  type DeploymentId,
  DeploymentSettings,
  type DeviceId,
  type GatewayAddress,
  type NetworkLocation,
  type PackageId,
  type PackageInfo,
  type PackageOptions,
  type PolicyBody,
  type PolicyDeployment,
  type PolicyPackage,
  type PolicyVariable,
  type Sha256,
} from '@sluice/protocol'
import { effectiveVariables } from '../collections/effective-variables.ts'
import { optionsOf } from '../content/package-options.ts'
import type { Db } from '../db/database.ts'
import { debugOrders } from '../debugging/debugging.ts'
import { approvalDigest } from '../deployments/approval.ts'
import {
  type Circumstances,
  circumstances,
  cloudSources,
  type Deployed,
  type GatewayFacts,
  type SiteFacts,
  siteRefusals,
} from '../deployments/circumstances.ts'
import { cancelledRuns, pausedRuns, resumedRuns } from '../deployments/device-state.ts'
import { referencedNow } from '../sequences/sequences.ts'

/** Manifests are released under this name by the content library. */
export const manifestTarget = (one: Pick<PackageInfo, 'id' | 'version'>) => `manifest/${one.id}/${one.version}`

export async function policyBody(
  db: Db,
  facts: SiteFacts,
  deviceId: DeviceId,
  location: NetworkLocation,
): Promise<PolicyBody> {
  const rows = await deploymentsOf(db, deviceId)
  const at = await circumstances(facts, rows)
  const approved = await withoutWaiting(db, rows, at)
  const manifests = await releasedManifests(db, [...at.packages.values()])
  const options = await optionsOf(db, [...at.packages.keys()])
  const cancelled = await cancelledRuns(db, deviceId)
  const paused = await pausedRuns(db, deviceId)
  const resumed = await resumedRuns(db, deviceId)
  const debugging = await debugOrders(db, deviceId)
  const variables = await policyVariables(db, deviceId)
  return {
    v: 1,
    minReader: 1,
    crit: [],
    deviceId,
    location,
    clientSettings: at.clientSettings,
    gateways: addresses(at.gateways, location),
    ...cloudOrigins(at, location),
    deployments: approved.map((row) => policyDeployment(row, location, at, manifests, options)),
    // Left out where there is none: most bodies stay as they are.
    ...(variables.length === 0 ? {} : { variables }),
    ...(cancelled.length === 0 ? {} : { cancelledRuns: cancelled }),
    ...(paused.length === 0 ? {} : { pausedRuns: paused }),
    ...(resumed.length === 0 ? {} : { resumedRuns: resumed }),
    ...(debugging.length === 0 ? {} : { debugOrders: debugging }),
  }
}

/** P4 of `policy.ts`: without those that are masked. */
async function policyVariables(db: Db, deviceId: DeviceId): Promise<PolicyVariable[]> {
  const rows = await effectiveVariables(db, deviceId)
  return rows.flatMap(({ name, value, from }) =>
    value === null ? [] : { name, value, level: from === 'device' ? 'device' : ('collection' as const) },
  )
}

interface DeviceDeployment extends Deployed {
  id: DeploymentId
  revision: number
  name: string
  description: string | null
  sequenceId: PolicyDeployment['sequenceId']
  sequence: CatalogueReference
  collectionId: CollectionId
  /** Its steps choose among packages by labels: the device must see those. */
  asksForLabels: boolean
  approvedDigest: Sha256 | null
  aboveDevices: number | null
}

/** Without those that wait for a second person: no device hears of them (A1 of `approval.ts`). */
async function withoutWaiting(db: Db, rows: DeviceDeployment[], at: Circumstances): Promise<DeviceDeployment[]> {
  const above = rows[0]?.aboveDevices ?? null
  if (above === null) return rows
  const counts = await db
    .selectFrom('collection_members')
    .select(['collection_id', (eb) => eb.fn.countAll<number | string>().as('devices')])
    .where(
      'collection_id',
      'in',
      rows.map((row) => row.collectionId),
    )
    .groupBy('collection_id')
    .execute()
  const devices = new Map(counts.map((row) => [row.collection_id, Number(row.devices)]))
  return rows.filter(
    ({ collectionId, id, revision, sequence, packages, approvedDigest }) =>
      (devices.get(collectionId) ?? 0) <= above ||
      approvedDigest === approvalDigest({ id, revision, sequenceSha256: sequence.sha256 }, packages, at.packages),
  )
}

/** The deployments of all collections that the device is a member of, with their newest released sequence. */
async function deploymentsOf(db: Db, deviceId: DeviceId): Promise<DeviceDeployment[]> {
  const rows = await db
    .selectFrom('collection_members as member')
    .innerJoin('deployments', 'deployments.collection_id', 'member.collection_id')
    .innerJoin('sequences', 'sequences.id', 'deployments.sequence_id')
    .innerJoin('sequence_revisions as revision', 'revision.sequence_id', 'sequences.id')
    .innerJoin('catalogue_targets as released', 'released.name', 'revision.target')
    .leftJoin('approval_rule', (join) => join.on('approval_rule.id', '=', 1))
    .select(['deployments.collection_id', 'approved_digest', 'above_devices'])
    .select(['deployments.id', 'deployments.revision', 'deployments.settings', 'deployments.sequence_id'])
    .select(['sequences.name', 'revision.description', 'revision.downloads_package_content'])
    .select(['revision.packages', 'revision.candidates'])
    .select(['released.name as target', 'released.sha256', 'released.length_bytes'])
    .where('member.device_id', '=', deviceId)
    // A draft does not take a released revision away.
    .where('revision.revision', '=', (eb) =>
      eb
        .selectFrom('sequence_revisions as other')
        .innerJoin('catalogue_targets as listed', 'listed.name', 'other.target')
        .select((inner) => inner.fn.max('other.revision').as('newest'))
        .whereRef('other.sequence_id', '=', 'sequences.id'),
    )
    .orderBy('deployments.created_at')
    .orderBy('deployments.id')
    .execute()
  const referenced = await referencedNow(db, rows)
  return rows.map((row, index) => ({
    ...(referenced[index] ?? { packages: [] }),
    asksForLabels: row.candidates !== null,
    id: row.id,
    revision: row.revision,
    name: row.name,
    description: row.description,
    sequenceId: row.sequence_id,
    collectionId: row.collection_id,
    approvedDigest: row.approved_digest,
    aboveDevices: row.above_devices,
    sequence: { target: row.target, sha256: row.sha256, lengthBytes: row.length_bytes },
    settings: DeploymentSettings.parse(JSON.parse(row.settings)),
    downloadsPackageContent: row.downloads_package_content === 1,
  }))
}

async function releasedManifests(db: Db, packages: readonly PackageInfo[]): Promise<Map<string, CatalogueReference>> {
  if (packages.length === 0) return new Map()
  const rows = await db
    .selectFrom('catalogue_targets')
    .select(['name', 'sha256', 'length_bytes'])
    .where('name', 'in', packages.map(manifestTarget))
    .execute()
  return new Map(rows.map((row) => [row.name, { target: row.name, sha256: row.sha256, lengthBytes: row.length_bytes }]))
}

function policyDeployment(
  row: DeviceDeployment,
  location: NetworkLocation,
  at: Circumstances,
  manifests: ReadonlyMap<string, CatalogueReference>,
  options: ReadonlyMap<PackageId, PackageOptions>,
): PolicyDeployment {
  const packages: PolicyPackage[] = []
  for (const id of row.packages) {
    const one = at.packages.get(id)
    const manifest = one && manifests.get(manifestTarget(one))
    // A package without a finished import has nothing to name; it is among the refusals then.
    if (one?.contentId === undefined || manifest === undefined) continue
    const { name, kind, version, contentId, storedBytes } = one
    const labels = row.asksForLabels && one.labels !== undefined ? { labels: one.labels } : {}
    packages.push({
      ...{ id, name, kind, version, contentId, manifest, storedBytes },
      ...policyOptions(options.get(id)),
      ...labels,
    })
  }
  return {
    id: row.id,
    revision: row.revision,
    name: row.name,
    ...(row.description === null ? {} : { description: row.description }),
    sequenceId: row.sequenceId,
    sequence: row.sequence,
    settings: row.settings,
    packages,
    refusals: siteRefusals(row, location, at),
  }
}

/** Left out where there is none. Relayed storage is no host that a device meets. */
function cloudOrigins(at: Circumstances, location: NetworkLocation): Pick<PolicyBody, 'cloudOrigins'> {
  const direct = cloudSources(location, at).filter(({ service }) => service === 'direct')
  return direct.length === 0 ? {} : { cloudOrigins: [...new Set(direct.map(({ origin }) => origin))].sort() }
}

/** Left out where they are the defaults: most bodies stay as they are. */
function policyOptions(options: PackageOptions | undefined): Pick<PolicyPackage, 'persist' | 'preCache'> {
  if (options === undefined) return {}
  const { persist, preCache } = options
  return { ...(persist ? { persist } : {}), ...(Object.keys(preCache).length === 0 ? {} : { preCache }) }
}

/** Those of the device's own side first. All are listed: a device may come home or go out. */
function addresses(gateways: readonly GatewayFacts[], location: NetworkLocation): GatewayAddress[] {
  const order = (one: GatewayFacts) => `${one.kind === location ? 0 : 1} ${one.id}`
  return gateways
    .toSorted((a, b) => (order(a) < order(b) ? -1 : 1))
    .map(({ id, name, kind, deviceUrl, enrolmentUrl }) => ({ gatewayId: id, name, kind, deviceUrl, enrolmentUrl }))
}
