/** The agent's database as a file: opened when it is whole, set aside when it is not, brought up to date. */
import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import type { Migration } from './migrations.ts'
import { openPrivate } from './private-database.ts'
import { isDamage } from './sqlite-fault.ts'

const FILE = 'agent.db'

export interface OpenedDatabase {
  db: DatabaseSync
  /** Where a damaged file was put; undefined when there was none. */
  setAside: string | undefined
}

/** Problem: `DATA_TOO_NEW`; the file is not touched then. */
export function openDatabase(folder: string, list: readonly Migration[]): Result<OpenedDatabase> {
  const file = join(folder, FILE)
  let setAside: string | undefined
  let db = openIntact(file)
  if (db === undefined) {
    setAside = putAside(file)
    db = openIntact(file)
    if (db === undefined)
      throw new Error(`${file} is damaged although it is new: the disk does not keep what is written`)
  }
  try {
    const migrated = migrate(db, file, list)
    if (!migrated.ok) db.close()
    return migrated.ok ? ok({ db, setAside }) : migrated
  } catch (error) {
    db.close()
    throw error
  }
}

/** Opens the database; undefined when it is damaged. */
function openIntact(file: string): DatabaseSync | undefined {
  const db = openPrivate(file)
  try {
    // `sluice-agent cache` may write at the same moment, for a moment.
    db.exec('PRAGMA busy_timeout = 2000')
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304')
    const check = db.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check === 'ok') return db
  } catch (error) {
    if (!isDamage(error)) {
      db.close()
      throw error
    }
  }
  db.close()
  return undefined
}

/** The journals go first: an old one beside a new database would be taken for its own. */
function putAside(file: string): string {
  for (let n = 1; ; n++) {
    const aside = `${file}.damaged-${n}`
    if (existsSync(aside)) continue
    for (const suffix of ['-wal', '-shm', '']) {
      if (existsSync(file + suffix)) renameSync(file + suffix, aside + suffix)
    }
    return aside
  }
}

function migrate(db: DatabaseSync, file: string, list: readonly Migration[]): Result<undefined> {
  const version = Number(db.prepare('PRAGMA user_version').get()?.user_version ?? 0)
  if (version > list.length)
    return failed(problem('DATA_TOO_NEW', `${file} has form ${version}; this agent knows forms up to ${list.length}.`))
  for (const [index, migration] of list.entries()) {
    if (index < version) continue
    db.exec(`BEGIN IMMEDIATE; ${migration.sql}; PRAGMA user_version = ${index + 1}; COMMIT`)
  }
  return ok(undefined)
}
