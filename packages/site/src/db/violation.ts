/** Tells a broken constraint from a surprise, on both databases. */
import { SqliteError } from './sqlite/error.ts'

// sqlite.org/rescode.html: SQLITE_CONSTRAINT_UNIQUE, _PRIMARYKEY, _FOREIGNKEY
const SQLITE_UNIQUE = [2067, 1555]
const SQLITE_FOREIGN_KEY = [787]
// postgresql.org/docs/current/errcodes-appendix.html
const POSTGRES_UNIQUE = '23505'
const POSTGRES_FOREIGN_KEY = '23503'

function matches(error: unknown, sqlite: number[], postgres: string): boolean {
  if (error instanceof SqliteError) return error.errcode !== undefined && sqlite.includes(error.errcode)
  return error instanceof Error && 'code' in error && error.code === postgres
}

/** A unique or primary key was there already. */
export const isUniqueViolation = (error: unknown): boolean => matches(error, SQLITE_UNIQUE, POSTGRES_UNIQUE)

/** The row refers to something that is not there, or something still refers to it. */
export const isForeignKeyViolation = (error: unknown): boolean =>
  matches(error, SQLITE_FOREIGN_KEY, POSTGRES_FOREIGN_KEY)
