/** What a failure of SQLite means, by its primary result code (sqlite.org/rescode.html). */
import { fullDisk } from '@sluice/content'

const BUSY = 5
const CORRUPT = 11
const FULL = 13
const NOTADB = 26
/** There was no room to lengthen the shared memory beside a WAL file (SQLITE_IOERR_SHMSIZE). */
const IOERR_SHMSIZE = 4874

/** Somebody else holds a lock. */
export const isBusy = (error: unknown): boolean => resultCode(error) === BUSY

/** The bytes of the file are not those of a database. */
export function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === CORRUPT || code === NOTADB
}

/** The disk is full, as SQLite says it or as the operating system does. */
export const isFullDisk = (error: unknown): boolean =>
  resultCode(error) === FULL || extendedCode(error) === IOERR_SHMSIZE || fullDisk(error, '') !== undefined

/** The low byte of a code is the primary one, the rest says more about it. */
function resultCode(error: unknown): number | undefined {
  const code = extendedCode(error)
  return code === undefined ? undefined : code & 0xff
}

function extendedCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number' ? error.errcode : undefined
}
