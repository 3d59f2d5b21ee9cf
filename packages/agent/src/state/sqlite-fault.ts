/** What a failure of SQLite means, by its primary result code (sqlite.org/rescode.html). */
import { fullDisk } from '@sluice/content'

const BUSY = 5
const CORRUPT = 11
const FULL = 13
const NOTADB = 26

/** Somebody else holds a lock. */
export const isBusy = (error: unknown): boolean => resultCode(error) === BUSY

/** The bytes of the file are not those of a database. */
export function isDamage(error: unknown): boolean {
  const code = resultCode(error)
  return code === CORRUPT || code === NOTADB
}

/** The disk is full, as SQLite says it or as the operating system does. */
export const isFullDisk = (error: unknown): boolean => resultCode(error) === FULL || fullDisk(error, '') !== undefined

function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined
  // The low byte is the primary code, the rest says more about it.
  return error.errcode & 0xff
}
