/** PostgreSQL by `pg`, with numbers as numbers. */
import { type Dialect, PostgresDialect } from 'kysely'
import pg from 'pg'

const INT8 = 20
const NUMERIC = 1700
const CONNECTIONS = 10
const CONNECT_TIMEOUT_MS = 10_000

/** As SQLite does: a number that JavaScript cannot hold exactly is a fault, never a wrong number. */
function exactNumber(text: string): number {
  const value = Number(text)
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError(`${text} is beyond 2^53`)
  return value
}

/**
 * @param url `postgres://user:password@host/database`; a socket as `postgres://user@/database?host=/folder`
 * @param onIdleError told of connections that break while nobody uses them
 */
export function postgresDialect(url: string, onIdleError: (cause: Error) => void): Dialect {
  const types = new pg.TypeOverrides()
  types.setTypeParser(INT8, exactNumber)
  types.setTypeParser(NUMERIC, exactNumber) // sum() of bigint
  const pool = new pg.Pool({
    connectionString: url,
    max: CONNECTIONS,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'sluice-site',
    types,
  })
  pool.on('error', onIdleError)
  return new PostgresDialect({ pool })
}
