/**
 * Column types that mean the same on SQLite and PostgreSQL.
 *
 * | in TypeScript | column | note |
 * |---|---|---|
 * | ids, text, JSON documents | `text` | JSON is parsed by who owns the table |
 * | sizes, counts, times (milliseconds since 1970) | `integer` | 64 bits; JavaScript numbers, never strings |
 * | booleans | `flag` | 0 or 1 |
 * | bytes | `bytes` | `Uint8Array` |
 */
import { type ColumnDataType, type Kysely, PostgresAdapter } from 'kysely'

/** 0 is false, 1 is true: the one form of a boolean that both databases take and give. */
export type Flag = 0 | 1

export interface ColumnTypes {
  text: ColumnDataType
  integer: ColumnDataType
  flag: ColumnDataType
  bytes: ColumnDataType
}

const sqlite: ColumnTypes = { text: 'text', integer: 'integer', flag: 'integer', bytes: 'blob' }
const postgres: ColumnTypes = { text: 'text', integer: 'bigint', flag: 'integer', bytes: 'bytea' }

/** The column types of an open database. */
// biome-ignore lint/suspicious/noExplicitAny: any schema will do, and Kysely is invariant in it
export function columnTypes(db: Kysely<any>): ColumnTypes {
  return isPostgres(db) ? postgres : sqlite
}

// biome-ignore lint/suspicious/noExplicitAny: as above
export function isPostgres(db: Kysely<any>): boolean {
  return db.getExecutor().adapter instanceof PostgresAdapter
}
