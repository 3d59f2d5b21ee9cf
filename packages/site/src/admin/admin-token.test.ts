import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../clock.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createLog } from '../log.ts'
import { ensureAdminToken, isAdminToken } from './admin-token.ts'

onEveryDatabase('one token, made once; removing its file makes another, and the old one is refused', async (db) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-token-'))
  try {
    const file = join(folder, 'admin-token')
    const ensure = () => ensureAdminToken({ db, file, clock: systemClock, log: createLog(() => {}) })
    const read = async () => (await readFile(file, 'utf8')).trim()

    await ensure()
    const first = await read()
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    assert.ok(await isAdminToken(db, first))
    await ensure()
    assert.equal(await read(), first)

    await rm(file)
    await ensure()
    const second = await read()
    assert.notEqual(second, first)
    assert.ok(await isAdminToken(db, second))
    assert.ok(!(await isAdminToken(db, first)))
    assert.ok(!(await isAdminToken(db, '')))
  } finally {
    await rm(folder, { recursive: true })
  }
})
