/**
 * The agent's memory: one folder that one agent process holds, with one SQLite file in it.
 *
 * Owns: the lock of the folder, the file, its migrations, transactions. Does not own: what the
 * tables mean (each part does), the keys of the device (`identity/`), the bytes of packages.
 *
 *   S1. One process. The lock is an exclusive transaction on a file of its own, which the operating
 *       system releases with the process, however it ends (REL-23).
 *   S2. What a transaction committed survives a power cut: WAL with synchronous=FULL.
 *   S3. A damaged file is set aside under another name, never repaired and never deleted (E11).
 *   S4. A file of a newer agent is not touched.
 *   S5. SQLite blocks the event loop: statements are short, and no transaction spans an `await`.
 */
import { chmodSync, closeSync, existsSync, openSync, renameSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { makeFolder } from './durable-file.ts'
import { type Migration, migrations } from './migrations.ts'

export interface State {
  /** Absolute path of the state folder. */
  folder: string
  db: DatabaseSync
  /** Where a damaged file was put when the state was opened; undefined when there was none. */
  setAside: string | undefined
  /** Runs `work` in one durable transaction, or in the one that is already open. `work` must not be async (S5). */
  transaction<T>(work: () => T): T
  /** Closes the file and frees the folder. */
  close(): void
}

const DATABASE = 'agent.db'
const LOCK = 'agent.lock'
/** How long a start waits for an agent that is just ending. */
const LOCK_WAIT_MS = 1_000

const SQLITE_BUSY = 5
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** Opens the state folder, makes it when it is missing. Problems: `DATA_FOLDER_IN_USE`, `DATA_TOO_NEW`, `CONFIGURATION_INVALID`. */
export async function openState(path: string, list: readonly Migration[] = migrations): Promise<Result<State>> {
  const folder = resolve(path)
  const open = openAncestor(folder)
  if (open !== undefined)
    return failed(
      problem('CONFIGURATION_INVALID', `stateFolder: every user may write into ${open}, so nothing below it is safe.`),
    )
  await makeFolder(folder)
  chmodSync(folder, 0o700)

  const lock = lockFolder(folder)
  if (lock === undefined)
    return failed(problem('DATA_FOLDER_IN_USE', `${folder} is held by another agent that is running.`))

  const file = join(folder, DATABASE)
  let setAside: string | undefined
  let db = openIntact(file)
  if (db === undefined) {
    setAside = putAside(file)
    db = openIntact(file)
    if (db === undefined)
      throw new Error(`${file} is damaged although it is new: the disk does not keep what is written`)
  }
  const migrated = migrate(db, file, list)
  if (!migrated.ok) {
    db.close()
    lock.close()
    return migrated
  }
  return ok(stateOf(folder, db, lock, setAside))
}

function stateOf(folder: string, db: DatabaseSync, lock: DatabaseSync, setAside: string | undefined): State {
  return {
    folder,
    db,
    setAside,
    transaction(work) {
      if (db.isTransaction) return work()
      db.exec('BEGIN IMMEDIATE')
      try {
        const value = work()
        db.exec('COMMIT')
        return value
      } catch (error) {
        // A failed COMMIT may have ended the transaction already.
        if (db.isTransaction) db.exec('ROLLBACK')
        throw error
      }
    },
    close() {
      if (db.isOpen) db.close()
      if (lock.isOpen) lock.close()
    },
  }
}

/** S1. Undefined when another process has the folder. */
function lockFolder(folder: string): DatabaseSync | undefined {
  const db = openPrivate(join(folder, LOCK))
  try {
    db.exec(`PRAGMA busy_timeout = ${LOCK_WAIT_MS}`)
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    if (sqliteCode(error) === SQLITE_BUSY) return undefined
    throw error
  }
}

/** Opens the database; undefined when it is damaged (S3). */
function openIntact(file: string): DatabaseSync | undefined {
  const db = openPrivate(file)
  try {
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304')
    const check = db.prepare('PRAGMA quick_check(1)').get()
    if (check?.quick_check === 'ok') return db
  } catch (error) {
    const code = sqliteCode(error)
    if (code !== SQLITE_CORRUPT && code !== SQLITE_NOTADB) {
      db.close()
      throw error
    }
  }
  db.close()
  return undefined
}

/** The file is made before SQLite opens it, so that it and its journals are the owner's only (SEC-17). */
function openPrivate(file: string): DatabaseSync {
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
  return new DatabaseSync(file)
}

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
  // S4
  if (version > list.length)
    return failed(problem('DATA_TOO_NEW', `${file} has form ${version}; this agent knows forms up to ${list.length}.`))
  for (const [index, migration] of list.entries()) {
    if (index < version) continue
    db.exec(`BEGIN IMMEDIATE; ${migration.sql}; PRAGMA user_version = ${index + 1}; COMMIT`)
  }
  return ok(undefined)
}

/**
 * A folder above `path` in which every user can rename or replace names (SEC-15); undefined when
 * there is none. A sticky folder such as `/tmp` protects the names of others.
 */
function openAncestor(path: string): string | undefined {
  if (process.platform === 'win32') return undefined
  for (let at = dirname(path); ; at = dirname(at)) {
    if (existsSync(at)) {
      const { mode } = statSync(at)
      if ((mode & 0o002) !== 0 && (mode & 0o1000) === 0) return at
    }
    if (at === dirname(at)) return undefined
  }
}

function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  // The low byte is the code, the rest says more about it.
  return error.errcode & 0xff
}
