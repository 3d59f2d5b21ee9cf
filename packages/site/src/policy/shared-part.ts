/**
 * What is equal in the bodies of many devices: client settings, gateways, and for each collection its
 * deployments and variables. Made once for all devices that ask between two changes of facts.
 *
 * S1. What is kept belongs to one count of facts in one epoch (`facts-revision.ts`), and whoever asks has just
 *     read both from the database: nothing is answered from before a change, also where another process made it.
 *     The epoch is part of it because a restored database counts some numbers again.
 * S2. Kept is one count for each location; as much as the site has deployments, whatever the number of devices.
 */
import {
  type CatalogueReference,
  type CollectionId,
  DeploymentSettings,
  type GatewayAddress,
  type NetworkLocation,
  type PackageId,
  type PackageInfo,
  type PackageOptions,
  type PolicyBody,
  type PolicyDeployment,
  type PolicyPackage,
  type Sha256,
} from '@sluice/protocol'
import { type SharedVariables, variablesOfCollections } from '../collections/effective-variables.ts'
import { optionsOf } from '../content/package-options.ts'
import { lookUpAtOnce } from '../db/at-once.ts'
import type { Db } from '../db/database.ts'
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
import { referencedNow } from '../sequences/sequence-info.ts'

/** Manifests are released under this name by the content library. */
export const manifestTarget = (one: Pick<PackageInfo, 'id' | 'version'>) => `manifest/${one.id}/${one.version}`

/** The state of the facts, as it was just read from the database. */
export interface FactsState {
  epoch: number
  revision: number
}

export interface CollectionPart {
  /** In the order of their making; those of several collections are merged by it. */
  deployments: readonly OrderedDeployment[]
  /** Undefined: it has none. */
  variables: SharedVariables | undefined
}
export interface OrderedDeployment {
  createdAt: number
  deployment: PolicyDeployment
}

/** What the bodies of all devices at a location have in common. */
export type SitePart = Pick<PolicyBody, 'clientSettings' | 'gateways' | 'cloudOrigins'>

export interface SharedParts {
  site(): Promise<SitePart>
  collection(id: CollectionId): Promise<CollectionPart>
}

/** @returns the parts as they are at a state of the facts, or newer (S1) */
export function createSharedParts(
  db: Db,
  facts: SiteFacts,
): (at: FactsState, location: NetworkLocation) => SharedParts {
  const kept = new Map<NetworkLocation, FactsState & { parts: SharedParts }>()
  return (at, location) => {
    const present = kept.get(location)
    if (present?.epoch === at.epoch && present.revision === at.revision) return present.parts
    const parts = sharedParts(db, facts, location)
    kept.set(location, { ...at, parts }) // S2
    return parts
  }
}

function sharedParts(db: Db, facts: SiteFacts, location: NetworkLocation): SharedParts {
  const find = lookUpAtOnce((ids: readonly CollectionId[]) => collectionParts(db, facts, location, ids))
  const collection = keptOnce(async (id: CollectionId) => {
    const part = await find(id)
    if (part === undefined) throw new Error(`collection ${id} was not looked up`)
    return part
  })
  const site = keptOnce(() => sitePart(facts, location))
  return { site: () => site(undefined), collection }
}

/** Asks once for each key; what failed is asked for again. */
function keptOnce<K, V>(ask: (key: K) => Promise<V>): (key: K) => Promise<V> {
  const kept = new Map<K, Promise<V>>()
  return (key) => {
    const known = kept.get(key)
    if (known !== undefined) return known
    const asked = ask(key)
    kept.set(key, asked)
    asked.catch(() => kept.delete(key))
    return asked
  }
}

async function sitePart(facts: SiteFacts, location: NetworkLocation): Promise<SitePart> {
  const at = await circumstances(facts, [])
  return {
    clientSettings: at.clientSettings,
    gateways: addresses(at.gateways, location),
    ...cloudOrigins(at, location),
  }
}

async function collectionParts(
  db: Db,
  facts: SiteFacts,
  location: NetworkLocation,
  ids: readonly CollectionId[],
): Promise<Map<CollectionId, CollectionPart>> {
  const rows = await deploymentsOf(db, ids)
  const at = await circumstances(facts, rows)
  const approved = await withoutWaiting(db, rows, at)
  const manifests = await releasedManifests(db, [...at.packages.values()])
  const options = await optionsOf(db, [...at.packages.keys()])
  const variables = await variablesOfCollections(db, ids)
  const deployments = Map.groupBy(approved, ({ collectionId }) => collectionId)
  return new Map(
    ids.map((id) => [
      id,
      {
        deployments: (deployments.get(id) ?? []).map((row) => ({
          createdAt: row.createdAt,
          deployment: policyDeployment(row, location, at, manifests, options),
        })),
        variables: variables.get(id),
      },
    ]),
  )
}

interface CollectionDeployment extends Deployed {
  id: PolicyDeployment['id']
  createdAt: number
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
async function withoutWaiting(
  db: Db,
  rows: CollectionDeployment[],
  at: Circumstances,
): Promise<CollectionDeployment[]> {
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

/** The deployments of these collections, with their newest released sequence. */
async function deploymentsOf(db: Db, ids: readonly CollectionId[]): Promise<CollectionDeployment[]> {
  const rows = await db
    .selectFrom('deployments')
    .innerJoin('sequences', 'sequences.id', 'deployments.sequence_id')
    .innerJoin('sequence_revisions as revision', 'revision.sequence_id', 'sequences.id')
    .innerJoin('catalogue_targets as released', 'released.name', 'revision.target')
    .leftJoin('approval_rule', (join) => join.on('approval_rule.id', '=', 1))
    .select(['deployments.collection_id', 'deployments.created_at', 'approved_digest', 'above_devices'])
    .select(['deployments.id', 'deployments.revision', 'deployments.settings', 'deployments.sequence_id'])
    .select(['sequences.name', 'revision.description', 'revision.downloads_package_content'])
    .select(['revision.packages', 'revision.candidates'])
    .select(['released.name as target', 'released.sha256', 'released.length_bytes'])
    .where('deployments.collection_id', 'in', ids)
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
    createdAt: row.created_at,
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
  row: CollectionDeployment,
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
