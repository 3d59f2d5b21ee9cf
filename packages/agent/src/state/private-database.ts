import { chmodSync, closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/**
 * Opens or makes a database that only its owner can read. The file is made before SQLite opens it: the
 * journals take over its permissions (SEC-17).
 */
export function openPrivate(file: string): DatabaseSync {
  closeSync(openSync(file, 'a', 0o600))
  chmodSync(file, 0o600)
  return new DatabaseSync(file)
}
