/** Why a site did not start, in words for the person who started it. */
import { type Problem, ProblemError, problem, problems } from '@sluice/protocol'
import { SqliteError } from './db/sqlite/error.ts'

const SQLITE_FULL = 13

/** The problem behind an exception at the start; undefined for a surprise. @param dataFolder named in the text */
export function startFailure(error: unknown, dataFolder: string): Problem | undefined {
  if (error instanceof ProblemError) return error.problem
  if (!(error instanceof Error)) return undefined
  const code = 'code' in error ? error.code : undefined
  const full = code === 'ENOSPC' || code === 'EDQUOT' || (error instanceof SqliteError && error.errcode === SQLITE_FULL)
  if (full) return problem('NO_SPACE', `The disk with ${dataFolder} is full.`)
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS' || code === 'ENOTDIR' || code === 'EADDRNOTAVAIL')
    return problem('CONFIGURATION_INVALID', error.message)
  return undefined
}

/** One line: what is wrong, and what to do. */
export const startFailureLine = ({ code, title, detail }: Problem): string =>
  `${code}: ${title}. ${detail} ${problems[code].remedy}`.replaceAll(/\s+/g, ' ')
