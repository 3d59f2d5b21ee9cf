/**
 * Deployments: which sequence runs on which collection, with which settings, and what became of it.
 *
 *   D1. Settings that can never work are refused when they are made; what depends on the state of
 *       the site is shown (`internetRefusals`) and reaches the devices in policy (design §7).
 *   D2. The state of a device is derived from its status messages, in the transaction that takes
 *       them; only of members, so that no device can write into a deployment that is not its own.
 *   D3. A run that started may fetch what its policy named, whatever is changed meanwhile: the
 *       contents are kept with the run (design §5: running jobs finish).
 */
import { checkInputs, readSequence, refusal } from '@sluice/engine'
import {
  type ApprovalRule,
  type CatalogueMode,
  ClientSettings,
  type CollectionId,
  type DeploymentCreate,
  type DeploymentDevice,
  type DeploymentDeviceQuery,
  DeploymentId,
  type DeploymentInfo,
  DeploymentSettings,
  type DeviceId,
  deploymentRefusals,
  fail,
  MAX_PAGE,
  type Page,
  ProblemError,
  type SequenceInfo,
  type Sha256,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Clock } from '../clock.ts'
import type { Collections } from '../collections/collections.ts'
import type { Referenced } from '../content/package-labels.ts'
import type { Database, Db } from '../db/database.ts'
import { newId } from '../identity/new-id.ts'
import type { Log } from '../log.ts'
import { referencedNow } from '../sequences/sequence-info.ts'
import type { Sequences } from '../sequences/sequences.ts'
import type { StatusListener } from '../status/status.ts'
import { approvalDigest, approvalRule, approve, setApprovalRule } from './approval.ts'
import { type Circumstances, circumstances, type Deployed, type SiteFacts, siteRefusals } from './circumstances.ts'
import {
  type ContentsOf,
  deviceStateListener,
  orderCancellation,
  orderPause,
  pageOfDeviceStates,
  stateCounts,
} from './device-state.ts'

export interface Deployments {
  /** @throws ProblemError `NOT_FOUND`, `NOT_RELEASED`, `VARIABLE_REFUSED`, or the refusal that no device could escape (D1) */
  create(request: z.output<typeof DeploymentCreate>, person?: string): Promise<DeploymentInfo>
  change(id: string, settings: DeploymentSettings, person?: string): Promise<DeploymentInfo>
  /** `NOT_FOUND`, `APPROVAL_REFUSED`; `CONFLICT` when nothing waits, or something else by now. */
  approve(id: string, digest: Sha256, person: string): Promise<DeploymentInfo>
  approvalRule(): Promise<ApprovalRule>
  setApprovalRule(aboveDevices: number | null, person: string): Promise<ApprovalRule>
  /** Devices stop offering it with their next policy. `NOT_FOUND` */
  delete(id: string): Promise<void>
  /**
   * Ends the run that a device is in: the order travels in its policy. `NOT_FOUND`; `CONFLICT` when the site knows of
   * no run there.
   */
  cancel(id: string, deviceId: DeviceId): Promise<DeploymentInfo>
  /** Lets the run that a device is in rest before its next step, or go on. `CONFLICT` where the site knows of none. */
  pause(id: string, order: { deviceId: DeviceId; paused: boolean }): Promise<DeploymentInfo>
  list(): Promise<DeploymentInfo[]>
  /** `NOT_FOUND` */
  get(id: string): Promise<DeploymentInfo>
  /** `NOT_FOUND` */
  devices(id: string, query: DeploymentDeviceQuery): Promise<Page<DeploymentDevice>>
  /** D2: listens to the status area. */
  onStatus: StatusListener
}

/**
 * @param onChanged told after a change is durable, with the collection of the deployment
 */
export function createDeployments(options: {
  db: Kysely<Database>
  clock: Clock
  log: Log
  collections: Pick<Collections, 'find'>
  sequences: Pick<Sequences, 'find'>
  facts: SiteFacts
  contentsOf: ContentsOf
  catalogueMode(): Promise<CatalogueMode>
  onChanged(collection: CollectionId): void
  /** Told after an order for one device is durable. */
  onOrdered(device: DeviceId): void
}): Deployments {
  const { db, clock, log, collections, sequences, facts, contentsOf, onChanged, onOrdered } = options

  /** Only online mode, where the site releases by itself anyway, lets undeclared inputs through (design §5). */
  const undeclaredInputs = async () => ((await options.catalogueMode()) === 'online' ? 'allow' : 'refuse')

  async function infos(rows: DeploymentRow[]): Promise<DeploymentInfo[]> {
    const referenced = await referencedNow(db, rows)
    const deployed = rows.map((row, i) => toDeployed(row, referenced[i] ?? { packages: [] }))
    const at = await circumstances(facts, deployed)
    const infos: DeploymentInfo[] = []
    for (const [i, row] of rows.entries()) {
      const one = deployed[i]
      const counts = await stateCounts(db, row.id)
      const { items: devices } = await pageOfDeviceStates(db, row.id, { limit: MAX_PAGE, total: false })
      if (one !== undefined) infos.push({ ...deploymentInfo(row, one, at), counts, devices })
    }
    return infos
  }

  async function get(id: string): Promise<DeploymentInfo> {
    const row = await deploymentRows(db).where('deployments.id', '=', knownId(id)).executeTakeFirst()
    const [info] = row === undefined ? [] : await infos([row])
    return info ?? fail('NOT_FOUND', `There is no deployment ${id}.`)
  }

  return {
    get,
    async list() {
      return await infos(await deploymentRows(db).orderBy('deployments.created_at').orderBy('deployments.id').execute())
    },

    async create({ sequence: sequenceName, collection: collectionName, settings }, person) {
      const sequence = await sequences.find(sequenceName)
      const collection = await collections.find(collectionName)
      await refuseUnreleased(facts, sequence)
      await refuseHopeless(db, sequence.id, settings, await undeclaredInputs())
      const id = newId('dep', DeploymentId)
      changeConcerns(id)
      const now = clock.now()
      const row = { id, revision: 1, sequence_id: sequence.id, collection_id: collection.id }
      await db
        .insertInto('deployments')
        .values({
          ...row,
          settings: JSON.stringify(settings),
          created_at: now,
          changed_at: now,
          author: person ?? null,
        })
        .execute()
      onChanged(collection.id)
      return await get(id)
    },

    async change(id, settings, person) {
      const { id: known, sequenceId, collectionId } = await get(id)
      await refuseHopeless(db, sequenceId, settings, await undeclaredInputs())
      await db
        .updateTable('deployments')
        .set((eb) => ({
          settings: JSON.stringify(settings),
          revision: eb('revision', '+', 1),
          changed_at: clock.now(),
          author: person ?? null,
        }))
        .where('id', '=', known)
        .execute()
      onChanged(collectionId)
      return await get(known)
    },

    async approve(id, digest, person) {
      const { id: known, collectionId, approval } = await get(id)
      if (approval === undefined) return fail('CONFLICT', `${known} needs no approval.`)
      await approve(db, { id: known, digest: approval.digest }, digest, person)
      log.info('deployment approved', { deploymentId: known, by: person })
      onChanged(collectionId)
      return await get(known)
    },
    approvalRule: () => approvalRule(db),
    async setApprovalRule(aboveDevices, person) {
      const rule = await setApprovalRule(db, aboveDevices, person)
      for (const { collection_id } of await db.selectFrom('deployments').select('collection_id').distinct().execute())
        onChanged(collection_id)
      return rule
    },

    async cancel(id, deviceId) {
      const { id: known } = await get(id)
      const runId = await orderCancellation(db, known, deviceId)
      if (runId === undefined) fail('CONFLICT', `The site knows of no run of ${known} that goes on at ${deviceId}.`)
      log.info('run cancelled', { deploymentId: known, deviceId, runId })
      onOrdered(deviceId)
      return await get(known)
    },

    async pause(id, { deviceId, paused }) {
      const { id: known } = await get(id)
      const runId = await orderPause(db, known, deviceId, paused)
      if (runId === undefined) fail('CONFLICT', `The site knows of no run of ${known} that goes on at ${deviceId}.`)
      log.info(paused ? 'run paused' : 'run goes on', { deploymentId: known, deviceId, runId })
      onOrdered(deviceId)
      return await get(known)
    },

    async delete(id) {
      const deleted = await db
        .deleteFrom('deployments')
        .where('id', '=', knownId(id))
        .returning('collection_id')
        .executeTakeFirst()
      if (deleted === undefined) return fail('NOT_FOUND', `There is no deployment ${id}.`)
      onChanged(deleted.collection_id)
    },

    async devices(id, query) {
      const known = knownId(id)
      const row = await db.selectFrom('deployments').select('id').where('id', '=', known).executeTakeFirst()
      if (row === undefined) return fail('NOT_FOUND', `There is no deployment ${id}.`)
      return await pageOfDeviceStates(db, known, query)
    },

    onStatus: deviceStateListener(contentsOf),
  }
}

const knownId = (id: string): DeploymentId =>
  DeploymentId.safeParse(id).data ?? fail('NOT_FOUND', `There is no deployment ${id}.`)

/** What no release key has signed reaches no device: better to hear of it now. */
async function refuseUnreleased(facts: SiteFacts, { name, state, packages }: SequenceInfo): Promise<void> {
  if (state === 'draft') fail('NOT_RELEASED', `${name} is a draft: apply it again.`)
  if (state === 'waitingForRelease') fail('NOT_RELEASED', `${name} waits for release.`)
  const waiting = (await facts.packages(packages)).filter((one) => one.version === 0).map((one) => one.id)
  if (waiting.length > 0) fail('NOT_RELEASED', `Packages that wait for release: ${waiting.join(', ')}.`)
}

/** D1. What no device could escape: wherever it is, and whatever else is set. */
async function refuseHopeless(
  db: Db,
  id: SequenceInfo['id'],
  settings: DeploymentSettings,
  undeclared: 'allow' | 'refuse',
): Promise<void> {
  const { availableAt, deadlineAt, expiresAt } = settings
  for (const [name, time] of Object.entries({ availableAt, deadlineAt }))
    if (time !== undefined && expiresAt !== undefined && Date.parse(expiresAt) <= Date.parse(time))
      fail('BAD_REQUEST', `settings.expiresAt: must be later than ${name}.`)
  const { document, downloads_package_content } = await db
    .selectFrom('sequences')
    .innerJoin('sequence_revisions as newest', (join) =>
      join.onRef('newest.sequence_id', '=', 'sequences.id').onRef('newest.revision', '=', 'sequences.revision'),
    )
    .select(['newest.document', 'newest.downloads_package_content'])
    .where('sequences.id', '=', id)
    .executeTakeFirstOrThrow()
  const sequence = readSequence(new TextEncoder().encode(document))
  if (!sequence.ok) throw new ProblemError(sequence.problem)
  const cannotRun = refusal(sequence.value)
  if (cannotRun !== undefined) throw new ProblemError(cannotRun)
  const inputs = checkInputs(sequence.value, settings.inputs, undeclared)
  if (!inputs.ok) throw new ProblemError(inputs.problem)
  const [hopeless] = deploymentRefusals({
    location: 'internal',
    clientSettings: ClientSettings.parse({}),
    settings,
    downloadsPackageContent: downloads_package_content === 1,
    contentServed: true,
    missingPackages: [],
  })
  if (hopeless !== undefined) throw new ProblemError(hopeless)
}

const deploymentRows = (db: Db) =>
  db
    .selectFrom('deployments')
    .innerJoin('collections', 'collections.id', 'deployments.collection_id')
    .innerJoin('sequences', 'sequences.id', 'deployments.sequence_id')
    .innerJoin('sequence_revisions as newest', (join) =>
      join.onRef('newest.sequence_id', '=', 'sequences.id').onRef('newest.revision', '=', 'sequences.revision'),
    )
    .select(['deployments.id', 'deployments.revision', 'deployments.settings'])
    .select(['collections.id as collection_id', 'collections.name as collection_name'])
    .select(['sequences.id as sequence_id', 'sequences.name as sequence_name'])
    .leftJoin('approval_rule', (join) => join.on('approval_rule.id', '=', 1))
    .select(['newest.packages', 'newest.candidates', 'newest.downloads_package_content'])
    .select(['approval_rule.above_devices', 'author', 'approved_by', 'approved_digest'])
    .select((eb) => [
      eb
        .selectFrom('collection_members')
        .select((inner) => inner.fn.countAll<number>().as('count'))
        .whereRef('collection_members.collection_id', '=', 'deployments.collection_id')
        .as('members'),
      eb
        .selectFrom('sequence_revisions as revision')
        .innerJoin('catalogue_targets as listed', 'listed.name', 'revision.target')
        .select('listed.sha256')
        .whereRef('revision.sequence_id', '=', 'deployments.sequence_id')
        .orderBy('revision.revision', 'desc')
        .limit(1)
        .as('released_sha256'),
    ])

type DeploymentRow = Awaited<ReturnType<ReturnType<typeof deploymentRows>['execute']>>[number]

const toDeployed = (
  row: Pick<DeploymentRow, 'settings' | 'downloads_package_content'>,
  referenced: Referenced,
): Deployed => ({
  ...referenced,
  settings: DeploymentSettings.parse(JSON.parse(row.settings)),
  downloadsPackageContent: row.downloads_package_content === 1,
})

/** How it stands by the two-person rule. */
function approvalOf(row: DeploymentRow, { packages }: Deployed, at: Circumstances): Pick<DeploymentInfo, 'approval'> {
  const { id, revision, above_devices, author, approved_by, approved_digest, released_sha256 } = row
  const devices = Number(row.members ?? 0)
  if (above_devices === null || devices <= above_devices) return {}
  const digest = approvalDigest({ id, revision, sequenceSha256: released_sha256 }, packages, at.packages)
  const approved = approved_digest === digest
  return {
    approval: {
      state: approved ? 'approved' : 'waitingForApproval',
      devices,
      digest,
      ...(author === null ? {} : { author }),
      ...(approved && approved_by !== null ? { approvedBy: approved_by } : {}),
    },
  }
}

function deploymentInfo(
  row: DeploymentRow,
  deployed: Deployed,
  at: Circumstances,
): Omit<DeploymentInfo, 'devices' | 'counts'> {
  return {
    id: row.id,
    revision: row.revision,
    sequenceId: row.sequence_id,
    sequenceName: row.sequence_name,
    collectionId: row.collection_id,
    collectionName: row.collection_name,
    settings: deployed.settings,
    internetRefusals: siteRefusals(deployed, 'internet', at),
    ...approvalOf(row, deployed, at),
  }
}
