/** Options of packages that devices learn from policy. A package without a row has the defaults. */
import { fail, type PackageId, PackageOptions } from '@sluice/protocol'
import type { Db } from '../db/database.ts'

/** Options of those packages that have other than the defaults. */
export async function optionsOf(db: Db, ids: readonly PackageId[]): Promise<ReadonlyMap<PackageId, PackageOptions>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('package_options')
    .select(['package_id', 'persist', 'pre_cache'])
    .where('package_id', 'in', [...ids])
    .execute()
  return new Map(
    rows.map((row) => [
      row.package_id,
      PackageOptions.parse({ persist: row.persist === 1, preCache: JSON.parse(row.pre_cache) }),
    ]),
  )
}

export interface PackageOptionsStore {
  /** `NOT_FOUND` when there is no such package. */
  get(id: PackageId): Promise<PackageOptions>
  set(id: PackageId, options: PackageOptions): Promise<PackageOptions>
}

/** @param onChanged told after a change is durable */
export function createPackageOptionsStore({ db, onChanged }: { db: Db; onChanged: () => void }): PackageOptionsStore {
  const mustBe = async (id: PackageId) => {
    const found = await db.selectFrom('packages').select('id').where('id', '=', id).executeTakeFirst()
    if (found === undefined) fail('NOT_FOUND', `There is no package ${id}.`)
  }
  return {
    async get(id) {
      await mustBe(id)
      return (await optionsOf(db, [id])).get(id) ?? PackageOptions.parse({})
    },
    async set(id, options) {
      await mustBe(id)
      const values = {
        persist: options.persist ? (1 as const) : (0 as const),
        pre_cache: JSON.stringify(options.preCache),
      }
      await db
        .insertInto('package_options')
        .values({ package_id: id, ...values })
        .onConflict((conflict) => conflict.column('package_id').doUpdateSet(values))
        .execute()
      onChanged()
      return options
    },
  }
}
