/**
 * Takes away what distribution points shall not hold any more: rows, and the objects at cloud points.
 *
 *   W4. An object is removed when no row of its point needs it; from the mark on nobody counts on
 *       it, and it is stored again only after it is gone. Marks are made behind the library's lock, so
 *       that who begins to count on an object after its order was written sees them.
 *   W6. Who may be fetching is asked after the rows that may go were read: a lease is written before its
 *       device is told of a place, so it is seen, or the place was not named.
 */
import { type CloudPointId, ProblemError } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { type Lease, takeLease } from '../db/lease.ts'
import type { Log } from '../log.ts'
import type { CloudPoints } from './cloud-points.ts'
import { lockLibrary } from './condemned.ts'
import { deleteConfirmed } from './confirmed-delete.ts'
import { SUPERSEDED_MS } from './distributions.ts'
import { leaveFolders } from './gateway-content.ts'
import { neededContents } from './needed.ts'
import { several } from './several.ts'

const BATCH = 500
const OBJECTS_AT_ONCE = 3

export interface PointRemovalOptions {
  db: Kysely<Database>
  points: Pick<CloudPoints, 'open'>
  clock: Clock
  log: Log
  owner: string
  /** After a point holds other contents than before. */
  onChanged: () => void
}

/** @returns when what may go is gone, or another process does it */
export async function removeFromPoints(options: PointRemovalOptions, stopped: AbortSignal): Promise<void> {
  const { db, clock, onChanged } = options
  const now = clock.now()
  let changed = await leaveFolders(db, clock)
  await db.deleteFrom('content_leases').where('until', '<=', now).execute()
  const going = await db
    .selectFrom('distributions')
    .select(['package_id', 'point_id', 'version', 'content_id'])
    .where((eb) => eb.or([eb('state', '=', 'removing'), eb('superseded_at', '<=', now - SUPERSEDED_MS)]))
    .execute()
  const needed = await neededContents(db, now) // W6
  for (const row of going) {
    if (needed.has(row.content_id)) continue
    const { numDeletedRows } = await db
      .deleteFrom('distributions')
      .where('package_id', '=', row.package_id)
      .where('point_id', '=', row.point_id)
      .where('version', '=', row.version)
      // It may count again since.
      .where((eb) => eb.or([eb('state', '=', 'removing'), eb('superseded_at', '<=', now - SUPERSEDED_MS)]))
      .executeTakeFirst()
    changed += Number(numDeletedRows)
  }
  if (changed > 0) onChanged()
  for (const { id } of await db.selectFrom('cloud_points').select('id').execute())
    await removeObjects(options, id, stopped)
}

/** W4 */
async function removeObjects(options: PointRemovalOptions, id: CloudPointId, stopped: AbortSignal): Promise<void> {
  const { db, points, clock, log, owner } = options
  const lease = await takeLease({ db, clock, name: `sweep/${id}`, owner })
  if (lease === undefined) return
  const signal = AbortSignal.any([stopped, lease.signal])
  try {
    await markUnneeded(db, id, lease)
    const going = await db
      .selectFrom('point_objects')
      .select(['kind', 'hash'])
      .where('point_id', '=', id)
      .where('state', '=', 'removing')
      .limit(BATCH)
      .execute()
    if (going.length === 0) return
    const cloud = await points.open(id)
    await several(going, OBJECTS_AT_ONCE, signal, async ({ kind, hash }) => {
      await deleteConfirmed({ db, cloud, lease, signal }, { kind, hash })
      await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        await trx
          .deleteFrom('point_objects')
          .where('point_id', '=', id)
          .where('kind', '=', kind)
          .where('hash', '=', hash)
          .where('state', '=', 'removing')
          .execute()
      })
    })
    log.info('objects removed from a distribution point', { pointId: id, objects: going.length })
  } catch (error) {
    if (!signal.aborted) log.warn('objects could not be removed', { pointId: id, reason: reasonOf(error) })
  } finally {
    await lease.release()
  }
}

/** W4 */
async function markUnneeded(db: Kysely<Database>, id: CloudPointId, lease: Lease): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await lockLibrary(trx)
    await lease.confirm(trx)
    await trx
      .updateTable('point_objects')
      .set({ state: 'removing' })
      .where('point_id', '=', id)
      .where('state', '=', 'present')
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('distributions')
              .innerJoin('next_objects as object', 'object.content_id', 'distributions.content_id')
              .select('object.hash')
              .where('distributions.point_id', '=', id)
              .whereRef('object.hash', '=', 'point_objects.hash')
              .whereRef('object.kind', '=', 'point_objects.kind'),
          ),
        ),
      )
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('distributions')
              .innerJoin('version_objects as object', 'object.content_id', 'distributions.content_id')
              .select('object.hash')
              .where('distributions.point_id', '=', id)
              .whereRef('object.hash', '=', 'point_objects.hash')
              .whereRef('object.kind', '=', 'point_objects.kind'),
          ),
        ),
      )
      .execute()
  })
}

const reasonOf = (error: unknown) =>
  error instanceof ProblemError ? error.problem.detail : error instanceof Error ? error.message : String(error)
