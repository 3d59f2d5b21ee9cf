/**
 * What keeps imports and the collection of garbage out of each other's way.
 *
 *   G1. Who begins to refer to an object, condemns one or marks it for deletion does so in a transaction
 *       that first takes the library's lock, so these follow each other on both databases.
 *   G2. A condemned pack is not in `packs` and `chunks` any more: no import finds it. One that found it
 *       before is told so in its own last transaction, and imports again (`PackCondemned`).
 *   G3. Pages are named by what is in them, so an import may write one that was condemned: it is taken
 *       off the list, for its bytes are still there.
 *   G4. Nothing is deleted while an import runs, and none begins while something is being deleted.
 */
import type { Sha256, StoredObject } from '@sluice/protocol'
import type { Transaction } from 'kysely'
import { nextNumbers } from '../db/counter.ts'
import type { Database, Db } from '../db/database.ts'

const BATCH = 500
const COUNTER = 'condemned packs'

export class PackCondemned extends Error {}

/** G1. Held until the transaction ends. */
export async function lockLibrary(trx: Transaction<Database>): Promise<void> {
  await nextNumbers(trx, 'content library', 1)
}

/** A version is about to refer to these objects. @throws PackCondemned G2 */
export async function referTo(trx: Transaction<Database>, objects: readonly StoredObject[]): Promise<void> {
  await lockLibrary(trx)
  const hashes = (kind: StoredObject['kind']) => objects.filter((one) => one.kind === kind).map(({ hash }) => hash)
  for (const some of batches(hashes('pack'))) {
    const known = await trx.selectFrom('packs').select('hash').where('hash', 'in', some).execute()
    if (known.length !== some.length) throw new PackCondemned('a pack was condemned during the import')
  }
  for (const some of batches(hashes('page')))
    await trx.deleteFrom('condemned_objects').where('kind', '=', 'page').where('hash', 'in', some).execute() // G3
}

/** Those of some objects of one kind that a version consists of, now or soon, or that the index knows. */
export async function referredTo(
  source: Db,
  kind: StoredObject['kind'],
  hashes: readonly Sha256[],
): Promise<Set<Sha256>> {
  const rows = [
    ...(await source
      .selectFrom('version_objects')
      .select('hash')
      .where('kind', '=', kind)
      .where('hash', 'in', hashes)
      .execute()),
    ...(await source
      .selectFrom('next_objects')
      .select('hash')
      .where('kind', '=', kind)
      .where('hash', 'in', hashes)
      .execute()),
    ...(kind === 'pack' ? await source.selectFrom('packs').select('hash').where('hash', 'in', hashes).execute() : []),
  ]
  return new Set(rows.map(({ hash }) => hash))
}

/** How many packs were ever condemned: an import that saw another number may have counted on one of them. */
export async function condemnations(db: Db): Promise<number> {
  const row = await db.selectFrom('counters').select('value').where('name', '=', COUNTER).executeTakeFirst()
  return row?.value ?? 0
}

export async function countCondemned(trx: Transaction<Database>, packs: number): Promise<void> {
  await nextNumbers(trx, COUNTER, packs)
}

/** G4. Call under the lock. */
export async function isDeleting(trx: Db): Promise<boolean> {
  const row = await trx
    .selectFrom('condemned_objects')
    .select('hash')
    .where('state', '=', 'deleting')
    .executeTakeFirst()
  return row !== undefined
}

/** G4. Call under the lock. */
export async function isImporting(trx: Db): Promise<boolean> {
  const row = await trx.selectFrom('jobs').select('id').where('state', '=', 'running').executeTakeFirst()
  return row !== undefined
}

export function* batches<T>(all: readonly T[]): Generator<T[]> {
  for (let i = 0; i < all.length; i += BATCH) yield all.slice(i, i + BATCH)
}
