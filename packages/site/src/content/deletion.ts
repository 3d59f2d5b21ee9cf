/**
 * Deleting packages and versions.
 *
 *     live ──delete──> deleted ──nobody has it any more──> its rows are gone, its objects condemned
 *
 *   X1. From the order on no policy and no new token names the version; what a token that was granted or a
 *       run that was started covers stays, here and where it was distributed, until these end.
 *   X2. Neither the id of a deleted package nor the number of a deleted version is given again: a name of
 *       the catalogue means the same bytes for ever.
 */
import { fail, type PackageId } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { batches, lockLibrary, referredTo } from './condemned.ts'
import { neededContents } from './needed.ts'
import { abandonMove } from './rewriting/moves.ts'

/** Who would miss a package: names. */
export interface NeededBy {
  deployments: readonly string[]
  sequences: readonly string[]
}

/**
 * Refuses what somebody needs. A deployment cannot be overruled; a sequence that is deployed nowhere can.
 * @throws ProblemError `PACKAGE_NEEDED`
 */
export function refuseNeeded(id: PackageId, { deployments, sequences }: NeededBy, force: boolean): void {
  const named = (names: readonly string[]) =>
    `${names.slice(0, 5).join(', ')}${names.length > 5 ? ` and ${names.length - 5} more` : ''}`
  if (deployments.length > 0) fail('PACKAGE_NEEDED', `Deployments need ${id}: ${named(deployments)}.`)
  if (sequences.length > 0 && !force)
    fail('PACKAGE_NEEDED', `Task sequences refer to ${id}: ${named(sequences)}. Nothing runs them; it can be forced.`)
}

/**
 * Deletes a version, or the package with all of them; part of the caller's transaction.
 * @returns the versions that are deleted now, and the version that is the newest now
 * @throws ProblemError `NOT_FOUND`; `CONFLICT` while it is being imported; what `checkNewest` throws
 */
export async function deleteVersions(
  trx: Transaction<Database>,
  order: { packageId: PackageId; version: number | undefined; now: number; checkNewest: () => void },
): Promise<{ deleted: number[]; newest: number }> {
  const { packageId, version, now, checkNewest } = order
  await lockLibrary(trx)
  const found = await trx
    .selectFrom('packages')
    .select('version')
    .where('id', '=', packageId)
    .where('deleted_at', 'is', null)
    .executeTakeFirst()
  if (found === undefined) fail('NOT_FOUND', `There is no package ${packageId}.`)
  const job = await trx
    .selectFrom('jobs')
    .select('id')
    .where('package_id', '=', packageId)
    .where('state', 'in', ['waiting', 'running'])
    .executeTakeFirst()
  if (job !== undefined) fail('CONFLICT', `${packageId} is being imported (job ${job.id}). Delete it after that.`)
  const living = await trx
    .selectFrom('package_versions')
    .select(['version', 'content_id', 'released'])
    .where('package_id', '=', packageId)
    .where('deleted_at', 'is', null)
    .orderBy('version', 'desc')
    .execute()
  const going = living.filter((one) => version === undefined || one.version === version)
  if (version !== undefined && going.length === 0) fail('NOT_FOUND', `${packageId} has no version ${version}.`)
  if (version === undefined || version === found.version) checkNewest()

  const deleted = going.map((one) => one.version)
  const newest = living.find((one) => one.released === 1 && !deleted.includes(one.version))?.version ?? 0
  for (const { content_id } of going) {
    await trx.updateTable('package_versions').set({ deleted_at: now }).where('content_id', '=', content_id).execute()
    await removeEverywhere(trx, content_id, now)
  }
  await trx
    .updateTable('packages')
    .set((eb) => ({ version: newest, ...(version === undefined ? { deleted_at: eb.val(now) } : {}) }))
    .where('id', '=', packageId)
    .execute()
  const [highest] = deleted
  if (highest !== undefined)
    await trx
      .updateTable('packages')
      .set({ last_deleted: highest })
      .where('id', '=', packageId)
      .where('last_deleted', '<', highest)
      .execute()
  if (version === undefined) {
    await trx.deleteFrom('point_group_packages').where('package_id', '=', packageId).execute()
    await trx.deleteFrom('package_options').where('package_id', '=', packageId).execute()
    await trx.deleteFrom('package_labels').where('package_id', '=', packageId).execute()
  }
  return { deleted, newest }
}

async function removeEverywhere(
  trx: Transaction<Database>,
  contentId: Database['package_versions']['content_id'],
  now: number,
): Promise<void> {
  await trx
    .updateTable('distributions')
    .set({ state: 'removing', changed_at: now, next_try_at: null })
    .where('content_id', '=', contentId)
    .where('state', '!=', 'removing')
    .execute()
}

/**
 * Takes away deleted versions that nobody has any more (X1); their pages are condemned, and their packs
 * can be where no other version refers to them. Each is one transaction.
 * @returns how many
 */
export async function purgeVersions(db: Kysely<Database>, clock: Clock): Promise<number> {
  const rows = await db
    .selectFrom('package_versions')
    .select(['package_id', 'version', 'content_id'])
    .where('deleted_at', 'is not', null)
    .execute()
  let purged = 0
  for (const { package_id, version, content_id } of rows)
    await db.transaction().execute(async (trx) => {
      await lockLibrary(trx)
      const now = clock.now()
      await removeEverywhere(trx, content_id, now) // who distributed it at the moment of the order
      const there = await trx
        .selectFrom('distributions')
        .select('point_id')
        .where('content_id', '=', content_id)
        .executeTakeFirst()
      if (there !== undefined || (await neededContents(trx, now)).has(content_id)) return
      await abandonMove(trx, content_id)
      const pages = await trx
        .selectFrom('version_objects')
        .select(['hash', 'size_bytes'])
        .where('content_id', '=', content_id)
        .where('kind', '=', 'page')
        .execute()
      // Of their packs less may be needed now.
      await trx
        .updateTable('packs')
        .set({ live_bytes: null })
        .where('hash', 'in', (eb) =>
          eb.selectFrom('version_objects').select('hash').where('content_id', '=', content_id),
        )
        .execute()
      await trx.deleteFrom('version_objects').where('content_id', '=', content_id).execute()
      await trx
        .deleteFrom('package_versions')
        .where('package_id', '=', package_id)
        .where('version', '=', version)
        .execute()
      for (const some of batches(pages)) {
        // Other versions may have the same pages, now or when their packs are rewritten.
        const used = await referredTo(
          trx,
          'page',
          some.map(({ hash }) => hash),
        )
        const unused = some.filter(({ hash }) => !used.has(hash))
        if (unused.length === 0) continue
        await trx
          .insertInto('condemned_objects')
          .values(
            unused.map((page) => ({ kind: 'page' as const, ...page, condemned_at: now, state: 'condemned' as const })),
          )
          .onConflict((conflict) => conflict.doNothing())
          .execute()
      }
      purged++
    })
  return purged
}
