/** Labels of packages, and which packages are meant by a query. */
import {
  fail,
  type LabelQuery,
  LabelValue,
  MAX_REFERENCED_PACKAGES,
  meetsLabels,
  type PackageId,
  type PackageLabels,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Database, Db } from '../db/database.ts'

/** Labels of those packages that have some. @param ids absent: of all */
export async function labelsOf(db: Db, ids?: readonly PackageId[]): Promise<ReadonlyMap<PackageId, PackageLabels>> {
  if (ids?.length === 0) return new Map()
  const rows = await db
    .selectFrom('package_labels')
    .select(['package_id', 'name', 'value'])
    .$if(ids !== undefined, (query) => query.where('package_id', 'in', [...(ids ?? [])]))
    .orderBy('package_id')
    .orderBy('name')
    .execute()
  return byPackage(rows)
}

function byPackage(
  rows: readonly { package_id: PackageId; name: string; value: string }[],
): Map<PackageId, PackageLabels> {
  const found = new Map<PackageId, PackageLabels>()
  for (const { package_id, name, value } of rows)
    found.set(package_id, { ...found.get(package_id), [name]: LabelValue.parse(value) })
  return found
}

/** Puts these labels in the place of those that a package has; part of the caller's transaction. */
export async function setLabels(trx: Transaction<Database>, id: PackageId, labels: PackageLabels): Promise<void> {
  await trx.deleteFrom('package_labels').where('package_id', '=', id).execute()
  const rows = Object.entries(labels).map(([name, value]) => ({ package_id: id, name, value }))
  if (rows.length > 0) await trx.insertInto('package_labels').values(rows).execute()
}

/** @param onChanged told after a change is durable */
export function createPackageLabels({ db, onChanged }: { db: Kysely<Database>; onChanged: () => void }) {
  return {
    /** `NOT_FOUND` when there is no such package. */
    async set(id: PackageId, labels: PackageLabels): Promise<void> {
      await db.transaction().execute(async (trx) => {
        const found = await trx
          .selectFrom('packages')
          .select('id')
          .where('id', '=', id)
          .where('deleted_at', 'is', null)
          .executeTakeFirst()
        if (found === undefined) fail('NOT_FOUND', `There is no package ${id}.`)
        await setLabels(trx, id, labels)
      })
      onChanged()
    },
  }
}

/** What a sequence references now. */
export interface Referenced {
  packages: PackageId[]
  /** Its queries mean more packages than a run may have: these are all, and none of theirs is among `packages`. */
  tooMany?: number
}

/**
 * Adds the released packages that the label queries of sequences mean now (design §6), in the order of their ids.
 * @param sequences each with the packages that it names by id
 */
export async function withCandidates(
  db: Db,
  sequences: readonly { packages: readonly PackageId[]; queries: readonly LabelQuery[] }[],
): Promise<Referenced[]> {
  const names = new Set(sequences.flatMap(({ queries }) => queries.flatMap((query) => Object.keys(query))))
  const rows =
    names.size === 0
      ? []
      : await db
          .selectFrom('package_labels')
          .innerJoin('packages', 'packages.id', 'package_labels.package_id')
          .select(['package_id', 'package_labels.name', 'value'])
          .where('package_labels.name', 'in', [...names])
          .where('packages.version', '>', 0)
          .where('packages.deleted_at', 'is', null)
          .orderBy('package_id')
          .execute()
  const labelled = [...byPackage(rows)]
  return sequences.map(({ packages: named, queries }) => {
    const met = labelled.flatMap(([id, labels]) => (queries.some((query) => meetsLabels(labels, query)) ? id : []))
    const packages = [...new Set([...named, ...met])]
    if (met.length === 0 || packages.length <= MAX_REFERENCED_PACKAGES) return { packages }
    return { packages: [...named], tooMany: packages.length }
  })
}
