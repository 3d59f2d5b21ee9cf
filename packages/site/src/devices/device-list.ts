/**
 * The list of devices, page by page (`db/page.ts`), in the order in which they came.
 *
 * The page is found by index alone (migration 0028) and its rows are read afterwards: a search for a part of a
 * name, or for who was not seen for long, reads far more entries than it gives.
 */
import type { CollectionId, DeviceId, DeviceQuery, Page } from '@sluice/protocol'
import { type Kysely, sql } from 'kysely'
import type { Database } from '../db/database.ts'
import { pageFrom, timeKeyOf } from '../db/page.ts'

export interface ListedDevices extends DeviceQuery {
  /** Only their present members. */
  collections?: readonly CollectionId[] | undefined
}

/** Ids of the devices of a page. @throws ProblemError `BAD_REQUEST` for a cursor of another list */
export async function pageOfDevices(db: Kysely<Database>, query: ListedDevices): Promise<Page<DeviceId>> {
  const after = timeKeyOf(query.cursor)
  let rows = wanted(db, query)
    .select(['devices.id', 'enrolled_at'])
    .orderBy('enrolled_at')
    .orderBy('devices.id')
    .limit(query.limit + 1)
  if (after !== undefined) {
    const [at, id] = after
    rows = rows.where((eb) => eb(eb.refTuple('enrolled_at', 'devices.id'), '>', eb.tuple(at, id as DeviceId)))
  }
  const page = pageFrom(await rows.execute(), query.limit, (row) => [row.enrolled_at, row.id])
  const ids = page.items.map((row) => row.id)
  if (!query.total) return { ...page, items: ids }
  const { count } = await wanted(db, query)
    .select((eb) => eb.fn.countAll<number>().as('count'))
    .executeTakeFirstOrThrow()
  return { ...page, items: ids, total: Number(count) }
}

function wanted(db: Kysely<Database>, query: ListedDevices) {
  const { name, state, collection, collections, seenAfter, seenBefore } = query
  let rows = db.selectFrom('devices')
  if (name !== undefined) rows = rows.where(sql<boolean>`devices.name like ${partOf(name)} escape '\\'`)
  if (state === 'blocked') rows = rows.where('blocked_at', 'is not', null)
  else if (state !== undefined) rows = rows.where('devices.state', '=', state)
  if (state === 'approved') rows = rows.where('blocked_at', 'is', null)
  if (seenAfter !== undefined) rows = rows.where('last_seen_at', '>', Date.parse(seenAfter))
  if (seenBefore !== undefined)
    rows = rows.where((eb) => eb.or([eb('last_seen_at', 'is', null), eb('last_seen_at', '<', Date.parse(seenBefore))]))
  for (const among of [collection === undefined ? undefined : [collection], collections])
    if (among !== undefined)
      // As a question for each device and not a list: else SQLite sorts the members of a collection of all.
      rows = rows.where((eb) =>
        eb.exists(
          eb
            .selectFrom('collection_members')
            .select('collection_members.device_id')
            .whereRef('collection_members.device_id', '=', 'devices.id')
            // Nothing is in an empty list; PostgreSQL has no way to write that one.
            .where('collection_members.collection_id', 'in', among.length === 0 ? ['' as CollectionId] : among),
        ),
      )
  return rows
}

const partOf = (name: string): string => `%${name.toLowerCase().replace(/[\\%_]/g, '\\$&')}%`
