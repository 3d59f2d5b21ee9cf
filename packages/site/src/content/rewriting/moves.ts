/**
 * The way of a version from the packs it lies in to others, while devices read it.
 *
 *     bringing ──every point that has it holds the next objects too──> both ──lists are known──> switched
 *       ──no token of before is left──> done: the old objects are nobody's
 *
 *   R1. `bringing`: points get the next objects beside those they have, and nobody is told of them. To a
 *       gateway they are a content of their own, named by the next layout root; so the version stays whole
 *       there whatever becomes of the next objects, and a point that lags behind keeps the old ones alive.
 *   R2. `both`: the version consists of old and next objects. Grants name the next layout only when every
 *       gateway that still serves content has read this list: one without a link serves for `UNLINKED_CONTENT_MS`.
 *   R3. `switched`: grants name the next layout. The old objects stay until no token is left that was granted
 *       before; whoever reads the old layout after that meets `PACK_GONE` and asks for another.
 *   R4. Each step is one transaction behind the library's lock that looks at everything again; a kill before it
 *       has changed nothing. Whether a point holds the next objects is asked again at each step.
 */
import type { MovedVersion } from '@sluice/content'
import { ContentId, type DistributionPointId, type GatewayContent, type StoredObject } from '@sluice/protocol'
import type { Kysely, Selectable, Transaction } from 'kysely'
import type { Clock } from '../../clock.ts'
import { UNLINKED_CONTENT_MS } from '../../connector/connector.ts'
import type { Database, Db } from '../../db/database.ts'
import type { ContentTables } from '../../db/schema/content.ts'
import { lockLibrary, referTo } from '../condemned.ts'
import { TOKEN_LIFE_MS } from '../content-token.ts'

const ROWS_AT_ONCE = 1_000

export type LayoutMove = Selectable<ContentTables['layout_moves']>

/** Stands for the next objects of a move at gateways. */
const nextId = ({ layout_hash }: Pick<LayoutMove, 'layout_hash'>): ContentId => ContentId.parse(layout_hash)

/**
 * A version will lie elsewhere; part of the caller's transaction.
 * @returns false when it is not as it was, moves already, or is about to go
 * @throws PackCondemned
 */
export async function beginMove(
  trx: Transaction<Database>,
  contentId: ContentId,
  layoutBefore: LayoutMove['layout_hash'],
  { layout, objects, storedBytes }: MovedVersion,
  now: number,
): Promise<boolean> {
  await referTo(trx, objects)
  const version = await trx
    .selectFrom('package_versions')
    .leftJoin('layout_moves as move', 'move.content_id', 'package_versions.content_id')
    .select('version')
    .where('package_versions.content_id', '=', contentId)
    .where('package_versions.layout_hash', '=', layoutBefore)
    .where('deleted_at', 'is', null)
    .where('move.content_id', 'is', null)
    .executeTakeFirst()
  if (version === undefined) return false
  await trx
    .insertInto('layout_moves')
    .values({
      ...{ content_id: contentId, layout_hash: layout.hash, layout_bytes: layout.sizeBytes },
      ...{ stored_bytes: storedBytes, state: 'bringing', changed_at: now },
    })
    .execute()
  for (let i = 0; i < objects.length; i += ROWS_AT_ONCE)
    await trx
      .insertInto('next_objects')
      .values(
        objects
          .slice(i, i + ROWS_AT_ONCE)
          .map(({ kind, hash, sizeBytes }) => ({ content_id: contentId, kind, hash, size_bytes: sizeBytes })),
      )
      .execute()
  return true
}

/** The version goes; its next objects are nobody's (K4 finds their pages). */
export async function abandonMove(trx: Db, contentId: ContentId): Promise<void> {
  const move = await trx
    .selectFrom('layout_moves')
    .select('layout_hash')
    .where('content_id', '=', contentId)
    .executeTakeFirst()
  if (move === undefined) return
  await trx.deleteFrom('layout_arrivals').where('layout_hash', '=', move.layout_hash).execute()
  await trx.deleteFrom('next_objects').where('content_id', '=', contentId).execute()
  await trx.deleteFrom('layout_moves').where('content_id', '=', contentId).execute()
}

export const allMoves = (db: Db): Promise<LayoutMove[]> =>
  db.selectFrom('layout_moves').selectAll().orderBy('content_id').execute()

/**
 * Takes every move as far as it can go now. @returns whether any list for gateways is another
 */
export async function advanceMoves(db: Kysely<Database>, clock: Clock): Promise<boolean> {
  let changed = false
  for (const { content_id } of await allMoves(db))
    changed = (await db.transaction().execute((trx) => advance(trx, content_id, clock.now()))) || changed
  return changed
}

/** R4 */
async function advance(trx: Transaction<Database>, contentId: ContentId, now: number): Promise<boolean> {
  await lockLibrary(trx)
  const move = await trx.selectFrom('layout_moves').selectAll().where('content_id', '=', contentId).executeTakeFirst()
  if (move === undefined) return false
  const sinceMs = now - move.changed_at
  if (move.state === 'both' && sinceMs < UNLINKED_CONTENT_MS) return false // R2
  if (move.state === 'switched' && sinceMs < TOKEN_LIFE_MS) return false // R3
  if ((await pointsWithoutNext(trx, move)).length > 0) return false
  const version = trx.updateTable('package_versions').where('content_id', '=', contentId)
  const to = (state: LayoutMove['state']) =>
    trx.updateTable('layout_moves').set({ state, changed_at: now }).where('content_id', '=', contentId).execute()
  if (move.state === 'both') {
    const { layout_hash, layout_bytes, stored_bytes } = move
    await version.set({ layout_hash, layout_bytes, stored_bytes }).execute()
    await to('switched')
    return false
  }
  if (move.state === 'switched') {
    await trx
      .updateTable('packs')
      .set({ live_bytes: null })
      .where('hash', 'in', (eb) => eb.selectFrom('version_objects').select('hash').where('content_id', '=', contentId))
      .execute()
    await trx.deleteFrom('version_objects').where('content_id', '=', contentId).execute()
  }
  await trx
    .insertInto('version_objects')
    .columns(['content_id', 'kind', 'hash', 'size_bytes'])
    .expression((eb) =>
      eb
        .selectFrom('next_objects as next')
        .select(['next.content_id', 'next.kind', 'next.hash', 'next.size_bytes'])
        .where('next.content_id', '=', contentId)
        .where((not) =>
          not.not(
            not.exists(
              not
                .selectFrom('version_objects as old')
                .select('old.hash')
                .where('old.content_id', '=', contentId)
                .whereRef('old.hash', '=', 'next.hash'),
            ),
          ),
        ),
    )
    .execute()
  if (move.state === 'switched') await abandonMove(trx, contentId)
  else await to('both')
  const { count, bytes } = await trx
    .selectFrom('version_objects')
    .select((eb) => [eb.fn.countAll<number | string>().as('count'), eb.fn.sum('size_bytes').as('bytes')])
    .where('content_id', '=', contentId)
    .executeTakeFirstOrThrow()
  await version
    .set((eb) => ({
      ...{ object_count: Number(count), object_bytes: Number(bytes) },
      layout_revision: eb('layout_revision', '+', 1),
    }))
    .execute()
  const rows = trx.updateTable('distributions').where('content_id', '=', contentId)
  await rows.set({ total_bytes: Number(bytes) }).execute()
  await rows
    .set({ present_bytes: Number(bytes) })
    .where('state', '=', 'installed')
    .execute()
  // Who began to upload the list before must not finish (W3).
  await rows
    .set({ state: 'waiting', changed_at: now })
    .where('state', '=', 'transferring')
    .where('point_id', 'in', (eb) => eb.selectFrom('cloud_points').select('id'))
    .execute()
  return true
}

/**
 * Points from which devices may fetch the version and that do not hold all next objects. Rows that are about to
 * go are waited for: that takes seven days at most, and nothing is sent there for it.
 */
async function pointsWithoutNext(source: Db, move: LayoutMove): Promise<DistributionPointId[]> {
  const rows = await source
    .selectFrom('distributions')
    .leftJoin('cloud_points', 'cloud_points.id', 'distributions.point_id')
    .leftJoin('layout_arrivals as arrival', (join) =>
      join.onRef('arrival.point_id', '=', 'distributions.point_id').on('arrival.layout_hash', '=', move.layout_hash),
    )
    .select(['distributions.point_id', 'cloud_points.id as cloud', 'arrival.point_id as arrived', 'state'])
    .select(['superseded_at', 'present_bytes'])
    .where('content_id', '=', move.content_id)
    .where('state', 'in', ['installed', 'removing'])
    .execute()
  const lacking: DistributionPointId[] = []
  for (const row of rows) {
    const going = row.superseded_at !== null || (row.state === 'removing' && row.present_bytes > 0)
    if (row.state === 'removing' && !going) continue
    // A gateway that became whole later was told both lists (D2).
    const isThere =
      row.cloud === null
        ? row.arrived !== null || move.state !== 'bringing'
        : (await objectsLackingAt(source, move.content_id, row.cloud)).length === 0
    if (!isThere || (going && move.state === 'bringing')) lacking.push(row.point_id)
  }
  return lacking
}

/** Next objects that do not lie at a cloud distribution point. */
export async function objectsLackingAt(
  source: Db,
  contentId: ContentId,
  pointId: Database['point_objects']['point_id'],
): Promise<StoredObject[]> {
  const rows = await source
    .selectFrom('next_objects as object')
    .leftJoin('point_objects as there', (join) =>
      join
        .onRef('there.kind', '=', 'object.kind')
        .onRef('there.hash', '=', 'object.hash')
        .on('there.point_id', '=', pointId)
        .on('there.state', '=', 'present'),
    )
    .select(['object.kind', 'object.hash', 'object.size_bytes'])
    .where('object.content_id', '=', contentId)
    .where('there.hash', 'is', null)
    .execute()
  return rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes }))
}

/** How many versions are on their way, and the points that are waited for. */
export async function moveProgress(db: Db): Promise<{ versions: number; points: DistributionPointId[] }> {
  const moves = await allMoves(db)
  const points = new Set<DistributionPointId>()
  for (const move of moves)
    if (move.state === 'bringing') for (const id of await pointsWithoutNext(db, move)) points.add(id)
  return { versions: moves.length, points: [...points] }
}

/** R1. What a gateway shall hold beside its contents. */
export async function nextContents(db: Db, pointId: DistributionPointId): Promise<GatewayContent[]> {
  const rows = await db
    .selectFrom('layout_moves as move')
    .innerJoin('distributions', 'distributions.content_id', 'move.content_id')
    .innerJoin('next_objects as object', 'object.content_id', 'move.content_id')
    .select(['move.layout_hash', 'package_id'])
    .select((eb) => [eb.fn.countAll<number | string>().as('count'), eb.fn.sum('object.size_bytes').as('bytes')])
    .where('point_id', '=', pointId)
    .where('distributions.state', '=', 'installed')
    .where('superseded_at', 'is', null)
    .where('move.state', '=', 'bringing')
    .groupBy(['move.layout_hash', 'package_id'])
    .execute()
  return rows.map((row) => ({
    contentId: nextId(row),
    packageId: row.package_id,
    revision: 1,
    objectCount: Number(row.count),
    totalBytes: Number(row.bytes),
    own: true,
    points: [],
  }))
}

/** The next objects that an id stands for; none when it stands for something else. */
export async function nextObjects(db: Db, id: ContentId): Promise<StoredObject[]> {
  const rows = await db
    .selectFrom('next_objects as object')
    .innerJoin('layout_moves as move', 'move.content_id', 'object.content_id')
    .select(['kind', 'hash', 'size_bytes'])
    .where('layout_hash', '=', id as string as LayoutMove['layout_hash'])
    .execute()
  return rows.map(({ kind, hash, size_bytes }) => ({ kind, hash, sizeBytes: size_bytes }))
}

/** What a gateway says of next objects; nothing when the id stands for something else. */
export async function nextReport(db: Db, pointId: DistributionPointId, id: ContentId, whole: boolean): Promise<void> {
  const layout_hash = id as string as LayoutMove['layout_hash']
  const move = await db
    .selectFrom('layout_moves')
    .select('content_id')
    .where('layout_hash', '=', layout_hash)
    .executeTakeFirst()
  if (move === undefined) return
  if (whole)
    await db
      .insertInto('layout_arrivals')
      .values({ layout_hash, point_id: pointId })
      .onConflict((conflict) => conflict.doNothing())
      .execute()
  else
    await db
      .deleteFrom('layout_arrivals')
      .where('layout_hash', '=', layout_hash)
      .where('point_id', '=', pointId)
      .execute()
}
