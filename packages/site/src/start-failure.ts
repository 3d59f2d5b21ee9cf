/** Why a site did not start, in words for the person who started it. */
import { type Problem, ProblemError, problem, problems } from '@sluice/protocol'
import { SqliteError } from './db/sqlite/error.ts'

const SQLITE_FULL = 13
const DISK_FULL: unknown[] = ['ENOSPC', 'EDQUOT']
const NOT_ALLOWED: unknown[] = ['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EADDRNOTAVAIL']
const NO_ANSWER: unknown[] = ['ECONNREFUSED', 'ECONNRESET', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT']
// postgresql.org/docs/current/errcodes-appendix.html: wrong password, wrong user, no such database
const DATABASE_REFUSED: unknown[] = ['28P01', '28000', '3D000']

/** The problem behind an exception at the start; undefined for a surprise. @param dataFolder named in the text */
export function startFailure(error: unknown, dataFolder: string): Problem | undefined {
  if (error instanceof ProblemError) return error.problem
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  if (DISK_FULL.includes(code) || (error instanceof SqliteError && error.errcode === SQLITE_FULL))
    return problem('NO_SPACE', `The disk with ${dataFolder} is full.`)
  if (NOT_ALLOWED.includes(code) || DATABASE_REFUSED.includes(code))
    return problem('CONFIGURATION_INVALID', `${error.message}.`)
  if (NO_ANSWER.includes(code)) return problem('UNREACHABLE', `The database does not answer: ${error.message || code}.`)
  return undefined
}

/** One line: what is wrong, and what to do. */
export const startFailureLine = ({ code, title, detail }: Problem): string =>
  `${code}: ${title}. ${detail.replace(/[^.]$/, '$&.')} ${problems[code].remedy}`.replaceAll(/\s+/g, ' ')
