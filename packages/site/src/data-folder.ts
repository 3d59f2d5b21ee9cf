/**
 * The folder with everything a site keeps. One process at a time: a lock of the operating system,
 * held through an exclusive transaction of SQLite, goes with the process however that ends.
 */
import { chmodSync, closeSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fail } from '@sluice/protocol'

const SQLITE_BUSY = 5

export interface DataFolder {
  path: string
  /** SQLite database of the site. */
  database: string
  /** Authorities of certificates, and the keys that sign. */
  keys: string
  /** Packs and pages of the content library. */
  content: string
  /** Scratch space, emptied at every start. */
  staging: string
  /** What imports remember of the files they read; may be removed while the site is down. */
  imports: string
  adminToken: string
  adminAuthority: string
  adminConnection: string
  /** Lets another process have the folder. */
  release(): void
}

/** Opens or makes the folder and takes it for this process. @throws ProblemError `DATA_FOLDER_IN_USE` */
export function openDataFolder(path: string): DataFolder {
  mkdirSync(path, { recursive: true, mode: 0o700 })
  chmodSync(path, 0o700)
  const lockFile = join(path, 'lock')
  closeSync(openSync(lockFile, 'a', 0o600))
  const lock = new DatabaseSync(lockFile, { timeout: 0 })
  try {
    lock.exec('begin exclusive')
  } catch (error) {
    lock.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
      fail('DATA_FOLDER_IN_USE', `A running site has ${path}.`)
    throw error
  }
  return {
    path,
    database: join(path, 'site.db'),
    keys: join(path, 'keys'),
    content: join(path, 'content'),
    staging: join(path, 'staging'),
    imports: join(path, 'imports'),
    adminToken: join(path, 'admin-token'),
    adminAuthority: join(path, 'admin-authority.pem'),
    adminConnection: join(path, 'admin-connection.json'),
    release: () => lock.close(),
  }
}
