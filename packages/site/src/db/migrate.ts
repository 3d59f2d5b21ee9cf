/** Brings a database to the present schema, all or nothing. */
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { type Kysely, sql } from 'kysely'
import { type ColumnTypes, columnTypes, isPostgres } from './types.ts'

export interface Migration {
  /** Number and area, as in `0001-site`. */
  name: string
  // biome-ignore lint/suspicious/noExplicitAny: a migration sees the schema of its day, not today's
  up(db: Kysely<any>, types: ColumnTypes): Promise<void>
}

/** Any number, the same in every process that migrates. */
const LOCK = 7_581_423_001

/**
 * Applies what is missing, in one transaction; several processes may try at once.
 * @returns the names applied now; `DATA_TOO_NEW` when the database has migrations that this version does not know
 */
export async function migrate(
  // biome-ignore lint/suspicious/noExplicitAny: as above
  db: Kysely<any>,
  migrations: readonly Migration[],
): Promise<Result<string[]>> {
  const types = columnTypes(db)
  return await db.transaction().execute(async (trx) => {
    if (isPostgres(db)) await sql`select pg_advisory_xact_lock(${LOCK})`.execute(trx)
    await trx.schema
      .createTable('migrations')
      .ifNotExists()
      .addColumn('name', types.text, (column) => column.primaryKey())
      .execute()
    const rows = await trx.selectFrom('migrations').select('name').execute()
    const applied = new Set(rows.map((row) => String(row.name)))
    const unknown = [...applied].filter((name) => !migrations.some((migration) => migration.name === name))
    if (unknown.length > 0)
      return failed(problem('DATA_TOO_NEW', `Unknown to this version: ${unknown.toSorted().join(', ')}.`))
    const missing = migrations.filter((migration) => !applied.has(migration.name))
    for (const migration of missing) {
      await migration.up(trx, types)
      await trx.insertInto('migrations').values({ name: migration.name }).execute()
    }
    return ok(missing.map((migration) => migration.name))
  })
}
