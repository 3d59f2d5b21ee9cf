/** One process a folder: the operating system takes the lock back with the process, however it ends (REL-23). */
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { openPrivate } from './private-database.ts'
import { isBusy } from './sqlite-fault.ts'

const FILE = 'agent.lock'
/** How long a start waits for an agent that is just ending. */
const WAIT_MS = 1_000

/** Closing the answer frees the folder. Undefined when another process has it. */
export function lockFolder(folder: string): DatabaseSync | undefined {
  const db = openPrivate(join(folder, FILE))
  try {
    db.exec(`PRAGMA busy_timeout = ${WAIT_MS}`)
    // Nothing is ever written here: no journal beside it.
    db.exec('PRAGMA journal_mode = MEMORY')
    db.exec('BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    if (isBusy(error)) return undefined
    throw error
  }
}
