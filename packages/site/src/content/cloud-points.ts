/**
 * Cloud distribution points: object storage that the site writes to and gateways lead devices to.
 *
 * Owns: the points, their credentials, and what gateways get to read with. Does not own: what shall
 * lie there (`distributions.ts`) or how it gets there (`point-work.ts`).
 *
 *   C1. Credentials that write are files in the folder of keys, like the keys of the site; they are
 *       in no database, no answer and no log.
 *   C2. Gateways get what reads. A point whose reader could write is refused.
 *   C3. What gateways get outlives the time that they may go on without the site: it is made anew
 *       long before it ends.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256, syncFolder, writeFileAtomic } from '@sluice/content'
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
import type { Database } from '../db/database.ts'
import type { DistributionPointsTables } from '../db/schema/distribution-points.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import type { Log } from '../log.ts'

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
 * @param options.folder for credentials, one file each
 * @param options.onChanged after a point was made or removed
 */
export function createCloudPoints(options: {
  db: Kysely<Database>
  folder: string
  clock: Clock
  log: Log
  onChanged: () => void
}): CloudPoints {
  const { db, folder, clock, log, onChanged } = options
  const fileOf = (id: CloudPointId) => join(folder, `${id}.json`)
  const held = new Map<CloudPointId, { access: PointAccess; renewAt: number }>()
  const failedAt = new Map<CloudPointId, number>()

  const rows = (): Promise<Row[]> =>
    db.selectFrom('cloud_points').selectAll().orderBy('created_at').orderBy('id').execute()

  async function storageOf(id: CloudPointId): Promise<PointStorage> {
    try {
      return Kept.parse(JSON.parse(await readFile(fileOf(id), 'utf8'))).storage
    } catch {
      return fail('KEYS_MISSING', `The credentials of ${id} are not in ${fileOf(id)}, or cannot be read.`)
    }
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
    if (kept !== undefined && now < kept.renewAt) return kept.access
    if (now - (failedAt.get(id) ?? Number.NEGATIVE_INFINITY) < ACCESS_RETRY_MS) return kept?.access
    try {
      const access = await pointAccess(await storageOf(id), ACCESS_LIFE_MS, now)
      held.set(id, { access, renewAt: now + ACCESS_LIFE_MS - RENEW_LEFT_MS })
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
      const access = await pointAccess(storage, ACCESS_LIFE_MS, clock.now())
      await probe(openPointStorage(storage), openPointAccess(access), access)
      const id = newId('dp', CloudPointId)
      await mkdir(folder, { recursive: true, mode: 0o700 })
      await writeFileAtomic(fileOf(id), JSON.stringify({ v: 1, storage }))
      changeConcerns(id)
      try {
        await db
          .insertInto('cloud_points')
          .values({
            id,
            name,
            kind: storage.kind,
            address: pointAddress(storage),
            service: pointService(access),
            origin: pointOrigin(storage),
            created_at: clock.now(),
          })
          .execute()
      } catch (error) {
        await rm(fileOf(id), { force: true })
        if (isUniqueViolation(error)) fail('CONFLICT', `There is a distribution point ${name} already.`)
        throw error
      }
      log.info('distribution point made', { pointId: id, name })
      onChanged()
      return (await infos()).find((one) => one.id === id) ?? fail('NOT_FOUND', `There is no distribution point ${id}.`)
    },

    async delete(id) {
      await db.transaction().execute(async (trx) => {
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
      })
      await rm(fileOf(id), { force: true })
      await syncFolder(folder)
      held.delete(id)
      log.info('distribution point removed', { pointId: id })
      onChanged()
    },

    open: async (id) => openPointStorage(await storageOf(id)),

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
