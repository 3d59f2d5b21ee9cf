import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Kysely, sql } from 'kysely'
import { createApiTokens } from '../administrators/api-tokens.ts'
import { systemClock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { migrate } from '../db/migrate.ts'
import { migrations } from '../db/migrations/index.ts'
import { SqliteWorkerDialect } from '../db/sqlite/dialect.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { tokenHash } from '../identity/new-id.ts'
import { createLog } from '../log.ts'
import { ensureAdminToken } from './admin-token.ts'

onEveryDatabase('one token, made once; removing its file makes another, and the old one is refused', async (db) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-token-'))
  try {
    const file = join(folder, 'admin-token')
    const { actorOf } = createApiTokens({ db, clock: systemClock })
    const ensure = () => ensureAdminToken({ db, file, clock: systemClock, log: createLog(() => {}) })
    const read = async () => (await readFile(file, 'utf8')).trim()

    await ensure()
    const first = await read()
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.ok(await actorOf(first))
    await ensure()
    assert.equal(await read(), first)

    await rm(file)
    await ensure()
    const second = await read()
    assert.notEqual(second, first)
    assert.ok(await actorOf(second))
    assert.ok(!(await actorOf(first)))
    assert.ok(!(await actorOf('')))
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('the token of a site that knew no other tokens goes on to work', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-token-'))
  try {
    const db = new Kysely<Database>({ dialect: new SqliteWorkerDialect(join(folder, 'site.db')) })
    const before = migrations.findIndex((migration) => migration.name === '0012-administrators')
    await migrate(db, migrations.slice(0, before))
    await sql`insert into admin_tokens values (${tokenHash('of old')}, 'first start', 1)`.execute(db)
    await migrate(db, migrations)
    const { actorOf } = createApiTokens({ db, clock: systemClock })
    assert.deepEqual((await actorOf('of old'))?.roles, ['fullAdministrator'])
    await db.destroy()
  } finally {
    await rm(folder, { recursive: true })
  }
})
