/**
 * Cloud distribution points: object storage that the site writes to and gateways lead devices to.
 *
 * Owns: the points, their credentials, and what gateways get to read with. Does not own: what shall
 * lie there (`distributions.ts`) or how it gets there (`point-work.ts`).
 *
 *   C1. Credentials are sealed in the vault; they are in no answer, no log and no file.
 *   C2. Gateways get what reads. A point whose reader could write is refused.
 *   C3. What gateways get outlives the time that they may go on without the site: it is made anew
 *       long before it ends.
 */
import { randomBytes } from 'node:crypto'
import { sha256 } from '@sluice/content'
import {
  type CloudStore,
  openPointAccess,
  openPointStorage,
  pointAccess,
  pointAddress,
  pointOrigin,
} from '@sluice/content/stores'
import {
  CloudPointId,
  type DistributionPointCreate,
  type DistributionPointInfo,
  fail,
  type GatewayPoint,
  MAX_CLOUD_POINTS,
  type PointAccess,
  PointStorage,
  ProblemError,
  pointService,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { DistributionPointsTables } from '../db/schema/distribution-points.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import type { Log } from '../log.ts'
import type { Credentials } from '../secrets/credentials.ts'
import { lockPoint } from './lock-point.ts'

/** C3. Beyond the four hours that a gateway serves content without a link. */
const ACCESS_LIFE_MS = 24 * 3600_000
const RENEW_LEFT_MS = 16 * 3600_000
/** A storage that gives no key is asked again after this. */
const ACCESS_RETRY_MS = 60_000

/** What the rest of the site needs to know of a point. */
export interface CloudPoint {
  id: CloudPointId
  name: string
  service: 'direct' | 'relayed'
  /** Where signed addresses lead; devices are told. */
  origin: string
}

export interface CloudPoints {
  /** All, oldest first. */
  list(): Promise<CloudPoint[]>
  infos(): Promise<DistributionPointInfo[]>
  /** Tries the credentials, then keeps them. `CONFLICT`, `BAD_REQUEST`, `STORAGE_REFUSED`, `STORAGE_UNAVAILABLE`. */
  create(request: z.output<typeof DistributionPointCreate>): Promise<DistributionPointInfo>
  /** As `create`, for one that is there: the place must be the same. `NOT_FOUND`, and as there. */
  replaceCredentials(id: CloudPointId, storage: PointStorage): Promise<DistributionPointInfo>
  /** `NOT_FOUND`; `CONFLICT` while something lies there or shall. */
  delete(id: CloudPointId): Promise<void>
  /** The storage with the credentials that write. `NOT_FOUND`, `KEYS_MISSING`. */
  open(id: CloudPointId): Promise<CloudStore>
  /** C2, C3. Points whose storage gives nothing to read with now are left out, and said in the log. */
  forGateways(): Promise<GatewayPoint[]>
}

const Kept = z.object({ v: z.literal(1), storage: PointStorage })

type Row = Selectable<DistributionPointsTables['cloud_points']>

/**
 * @param options.onChanged after a point was made or removed
 */
export function createCloudPoints(options: {
  db: Kysely<Database>
  credentials: Credentials
  clock: Clock
  log: Log
  onChanged: () => void
}): CloudPoints {
  const { db, credentials, clock, log, onChanged } = options
  const held = new Map<CloudPointId, { access: PointAccess; renewAt: number; of: number }>()
  const failedAt = new Map<CloudPointId, number>()

  const rows = (): Promise<Row[]> =>
    db.selectFrom('cloud_points').selectAll().orderBy('created_at').orderBy('id').execute()

  /** @returns also when they were set */
  async function storageOf(id: CloudPointId): Promise<{ storage: PointStorage; changedAt: number }> {
    const kept = await credentials.get(`storage/${id}`)
    if (kept === undefined) return fail('KEYS_MISSING', `The vault has no credentials of ${id}.`)
    return { storage: Kept.parse(JSON.parse(kept.text)).storage, changedAt: kept.changedAt }
  }
  const keep = (source: Db, id: CloudPointId, storage: PointStorage) =>
    credentials.set(source, `storage/${id}`, JSON.stringify({ v: 1, storage }))
  const find = async (id: CloudPointId): Promise<DistributionPointInfo> =>
    (await infos()).find((one) => one.id === id) ?? fail('NOT_FOUND', `There is no distribution point ${id}.`)

  /** Everything that a point is for, with these credentials; then C2. @returns how devices reach it */
  async function tried(storage: PointStorage) {
    const access = await pointAccess(storage, ACCESS_LIFE_MS, clock.now())
    await probe(openPointStorage(storage), openPointAccess(access), access)
    return { service: pointService(access), origin: pointOrigin(storage) }
  }

  async function infos(): Promise<DistributionPointInfo[]> {
    const [points, objects, held] = await Promise.all([
      rows(),
      db
        .selectFrom('point_objects')
        .select(['point_id', (eb) => eb.fn.countAll().as('count'), (eb) => eb.fn.sum('size_bytes').as('bytes')])
        .groupBy('point_id')
        .execute(),
      db
        .selectFrom('distributions')
        .select(['point_id', 'state', (eb) => eb.fn.count('package_id').distinct().as('count')])
        .where('superseded_at', 'is', null)
        .groupBy(['point_id', 'state'])
        .execute(),
    ])
    return points.map((point) => {
      const lies = objects.find((one) => one.point_id === point.id)
      const here = held.filter((one) => one.point_id === point.id)
      const { id, name, kind, address, service } = point
      return {
        ...{ id, name, kind, address, service },
        packages: here.reduce((sum, one) => sum + Number(one.count), 0),
        installed: here.reduce((sum, one) => sum + (one.state === 'installed' ? Number(one.count) : 0), 0),
        objectCount: Number(lies?.count ?? 0),
        objectBytes: Number(lies?.bytes ?? 0),
      }
    })
  }

  async function accessOf(id: CloudPointId): Promise<PointAccess | undefined> {
    const now = clock.now()
    const kept = held.get(id)
    // Another process of the site may have replaced them.
    const current = await storageOf(id).catch(() => undefined)
    if (kept !== undefined && now < kept.renewAt && kept.of === current?.changedAt) return kept.access
    if (now - (failedAt.get(id) ?? Number.NEGATIVE_INFINITY) < ACCESS_RETRY_MS) return kept?.access
    try {
      const { storage, changedAt } = current ?? (await storageOf(id))
      const access = await pointAccess(storage, ACCESS_LIFE_MS, now)
      held.set(id, { access, renewAt: now + ACCESS_LIFE_MS - RENEW_LEFT_MS, of: changedAt })
      return access
    } catch (error) {
      failedAt.set(id, now)
      const reason = error instanceof ProblemError ? error.problem.detail : error
      log.error('no credentials for gateways', { pointId: id, reason })
      return kept?.access
    }
  }

  return {
    async list() {
      return (await rows()).map(({ id, name, service, origin }) => ({ id, name, service, origin }))
    },
    infos,

    async create({ name, storage }) {
      if ((await rows()).length >= MAX_CLOUD_POINTS) fail('CONFLICT', `A site has ${MAX_CLOUD_POINTS} at most.`)
      const reached = await tried(storage)
      const id = newId('dp', CloudPointId)
      changeConcerns(id)
      const point = { id, name, kind: storage.kind, address: pointAddress(storage), ...reached }
      try {
        await db.transaction().execute(async (trx) => {
          await trx
            .insertInto('cloud_points')
            .values({ ...point, created_at: clock.now() })
            .execute()
          await keep(trx, id, storage)
        })
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a distribution point ${name} already.`)
        throw error
      }
      log.info('distribution point made', { pointId: id, name })
      onChanged()
      return await find(id)
    },

    async replaceCredentials(id, storage) {
      const { kind, address } = await find(id)
      if (kind !== storage.kind || address !== pointAddress(storage))
        fail('BAD_REQUEST', `That is another place than ${address}: make a distribution point for it.`)
      const reached = await tried(storage)
      changeConcerns(id)
      await db.transaction().execute(async (trx) => {
        const { numUpdatedRows } = await trx
          .updateTable('cloud_points')
          .set(reached)
          .where('id', '=', id)
          .executeTakeFirst()
        if (numUpdatedRows === 0n) fail('NOT_FOUND', `There is no distribution point ${id}.`)
        await keep(trx, id, storage)
      })
      failedAt.delete(id)
      log.info('credentials of a distribution point replaced', { pointId: id })
      onChanged()
      return await find(id)
    },

    async delete(id) {
      await db.transaction().execute(async (trx) => {
        await lockPoint(trx, id)
        for (const [table, what] of [
          ['distributions', 'Packages are distributed to it; remove them first.'],
          ['point_objects', 'Objects are still being removed from it.'],
          ['point_group_members', 'It is a member of a group.'],
        ] as const) {
          const found = await trx.selectFrom(table).select('point_id').where('point_id', '=', id).executeTakeFirst()
          if (found !== undefined) fail('CONFLICT', what)
        }
        const used = await trx.selectFrom('gateways').select('name').where('content_point', '=', id).executeTakeFirst()
        if (used !== undefined) fail('CONFLICT', `The gateway ${used.name} uses it instead of its folder.`)
        const { numDeletedRows } = await trx.deleteFrom('cloud_points').where('id', '=', id).executeTakeFirst()
        if (numDeletedRows === 0n) fail('NOT_FOUND', `There is no distribution point ${id}.`)
        await credentials.delete(trx, `storage/${id}`)
      })
      held.delete(id)
      log.info('distribution point removed', { pointId: id })
      onChanged()
    },

    open: async (id) => openPointStorage((await storageOf(id)).storage),

    async forGateways() {
      const points = await Promise.all(
        (await rows()).map(async ({ id, name }) => ({ pointId: id, name, access: await accessOf(id) })),
      )
      return points.flatMap(({ access, ...point }) => (access === undefined ? [] : { ...point, access }))
    },
  }
}

/** Writes, reads and deletes a small object; then C2. */
async function probe(writer: CloudStore, reader: CloudStore, access: PointAccess): Promise<void> {
  const bytes = randomBytes(32)
  const name = { kind: 'page', hash: sha256(bytes) } as const
  const put = await writer.put(name, bytes)
  if (!put.ok) throw new ProblemError(put.problem)
  try {
    await read(reader, name, access)
    const other = randomBytes(32)
    const written = await reader.put({ kind: 'page', hash: sha256(other) }, other)
    if (written.ok) {
      await writer.delete({ kind: 'page', hash: sha256(other) })
      fail('BAD_REQUEST', 'The credentials for gateways can write. Give ones that may only get objects.')
    }
    if (written.problem.code !== 'STORAGE_REFUSED') throw new ProblemError(written.problem)
  } finally {
    await writer.delete(name)
  }
}

async function read(reader: CloudStore, name: Parameters<CloudStore['get']>[0], access: PointAccess): Promise<void> {
  // A key that only signs opens nothing by itself: what it signed does.
  if (access.kind === 'azureDelegation') {
    const signed = await reader.signedUrl(name, 60_000)
    if (!signed.ok) throw new ProblemError(signed.problem)
    const answer = await fetch(signed.value.url, { redirect: 'error', signal: AbortSignal.timeout(30_000) })
    await answer.body?.cancel()
    if (!answer.ok)
      fail('STORAGE_REFUSED', `The storage answered ${answer.status} to an address that the reader signed.`)
    return
  }
  const got = await reader.get(name)
  if (!got.ok) throw new ProblemError(got.problem)
  await got.value.body.toArray()
}
