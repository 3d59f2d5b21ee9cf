/** What waits for the release key (offline mode), and the list of it and of what is released. */
import type { ReleaseEntry } from '@sluice/protocol'
import type { Transaction } from 'kysely'
import { timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { Target } from './metadata.ts'

/** `sequence/seq_…/` of `sequence/seq_…/3`: what a newer one of takes the place. */
const seriesOf = (name: string): string => name.slice(0, name.lastIndexOf('/') + 1)

/** Puts a target on the list of what waits, in the place of an older one of the same thing. */
export async function offer(trx: Transaction<Database>, target: Target, now: number): Promise<void> {
  const { name, sha256, lengthBytes } = target
  const waiting = await trx.selectFrom('catalogue_drafts').select('name').execute()
  for (const older of waiting)
    if (seriesOf(older.name) === seriesOf(name))
      await trx.deleteFrom('catalogue_drafts').where('name', '=', older.name).execute()
  await trx
    .insertInto('catalogue_drafts')
    .values({ name, sha256, length_bytes: lengthBytes, offered_at: now })
    .execute()
}

export async function releaseEntries(db: Db): Promise<ReleaseEntry[]> {
  const titles = new Map<string, string>()
  for (const { id, name } of await db.selectFrom('sequences').select(['id', 'name']).execute())
    titles.set(`sequence/${id}/`, name)
  for (const { id, name } of await db.selectFrom('packages').select(['id', 'name']).execute())
    titles.set(`manifest/${id}/`, name)
  const entry = (
    row: { name: string; sha256: ReleaseEntry['sha256']; length_bytes: number },
    state: ReleaseEntry['state'],
    since: number,
  ): ReleaseEntry => ({
    name: row.name,
    title: titles.get(seriesOf(row.name)) ?? '',
    sha256: row.sha256,
    lengthBytes: row.length_bytes,
    state,
    since: timestamp(since),
  })
  const waiting = await db.selectFrom('catalogue_drafts').selectAll().orderBy('name').execute()
  const released = await db.selectFrom('catalogue_targets').selectAll().orderBy('name').execute()
  return [
    ...waiting.map((row) => entry(row, 'waitingForRelease', row.offered_at)),
    ...released.map((row) => entry(row, 'released', row.released_at)),
  ]
}
