/** Runs a test on every database that a site can have: SQLite in a file and a real PostgreSQL. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Kysely } from 'kysely'
import { type Database, type DatabaseLocation, openDatabase } from './database.ts'
import { findPostgres, type PostgresServer, startPostgres } from './testing/postgres-server.ts'

const found = findPostgres()
let server: Promise<PostgresServer> | undefined
after(async () => (await server)?.stop())

const missing = 'no PostgreSQL here: install it, or the optional packages'

/**
 * Registers the test once for each database. `body` gets an empty database with the present schema,
 * and where it lies, so that it can be opened again.
 */
export function onEveryDatabase(
  name: string,
  body: (db: Kysely<Database>, location: DatabaseLocation) => Promise<void>,
): void {
  test(`${name} (SQLite)`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'site-db-'))
    try {
      await withDatabase({ kind: 'sqlite', path: join(folder, 'site.db') }, body)
    } finally {
      await rm(folder, { recursive: true })
    }
  })
  // With CI=true what is missing is a failure, not a skip.
  test(`${name} (PostgreSQL)`, {
    skip: found === undefined && process.env.CI !== 'true' ? missing : false,
  }, async () => {
    if (found === undefined) throw new Error(missing)
    server ??= startPostgres(found)
    await withDatabase({ kind: 'postgres', url: await (await server).createDatabase() }, body)
  })
}

async function withDatabase(
  location: DatabaseLocation,
  body: (db: Kysely<Database>, location: DatabaseLocation) => Promise<void>,
): Promise<void> {
  const opened = await openDatabase(location)
  if (!opened.ok) throw new Error(opened.problem.detail)
  try {
    await body(opened.value, location)
  } finally {
    await opened.value.destroy()
  }
}
