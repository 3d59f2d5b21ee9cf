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
 *   S5. A full disk is told and survived: there is a reserve for what must still be recorded.
 *   S6. SQLite blocks the event loop: statements are short, and no transaction spans an `await`.
 */
import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import { openDatabase } from './database-file.ts'
import { makeFolder } from './durable-file.ts'
import { lockFolder } from './folder-lock.ts'
import { type Migration, migrations } from './migrations.ts'
import { makePrivate } from './private-folder.ts'
import { keepReserve, spendReserve } from './reserve.ts'
import { isFullDisk } from './sqlite-fault.ts'
import { transact } from './transact.ts'

export interface State {
  /** Absolute path of the state folder. */
  folder: string
  db: DatabaseSync
  /** Where a damaged file was put when the state was opened; undefined when there was none. */
  setAside: string | undefined
  /**
   * Runs `work` in one durable transaction, or in the one that is already open. `work` must not be
   * async (S6), and changes nothing but the database: on a full disk it is run again (S5).
   */
  transaction<T>(work: () => T): T
  /** Closes the file and frees the folder. */
  close(): void
}

/**
 * Opens the state folder, makes it when it is missing.
 * Problems: `DATA_FOLDER_IN_USE`, `DATA_TOO_NEW`, `CONFIGURATION_INVALID`, `NO_SPACE`.
 */
export async function openState(path: string, list: readonly Migration[] = migrations): Promise<Result<State>> {
  const folder = resolve(path)
  for (;;) {
    try {
      const opened = await openFolder(folder, list)
      if (opened.ok) await keepReserve(folder)
      return opened
    } catch (error) {
      if (!isFullDisk(error)) throw error
      // S5
      if (!spendReserve(folder)) return failed(problem('NO_SPACE', `The disk with ${folder} is full.`))
    }
  }
}

async function openFolder(folder: string, list: readonly Migration[]): Promise<Result<State>> {
  const open = openAncestor(folder)
  if (open !== undefined)
    return failed(
      problem('CONFIGURATION_INVALID', `stateFolder: every user may write into ${open}, so nothing below it is safe.`),
    )
  await makeFolder(folder)
  makePrivate(folder)

  const lock = lockFolder(folder)
  if (lock === undefined)
    return failed(problem('DATA_FOLDER_IN_USE', `${folder} is held by another agent that is running.`))

  try {
    const opened = openDatabase(folder, list)
    if (!opened.ok) {
      lock.close()
      return opened
    }
    return ok(stateOf(folder, opened.value.db, lock, opened.value.setAside))
  } catch (error) {
    lock.close()
    throw error
  }
}

function stateOf(folder: string, db: DatabaseSync, lock: DatabaseSync, setAside: string | undefined): State {
  return {
    folder,
    db,
    setAside,
    transaction(work) {
      if (db.isTransaction) return work()
      try {
        return transact(db, work)
      } catch (error) {
        // S5
        if (!isFullDisk(error) || !spendReserve(folder)) throw error
        return transact(db, work)
      }
    },
    close() {
      if (db.isOpen) db.close()
      if (lock.isOpen) lock.close()
    },
  }
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
