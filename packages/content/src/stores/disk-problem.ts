import { type Problem, problem } from '@sluice/protocol'

/** The problem behind a failed write when the disk (or the quota on it) is full; undefined for every other error. */
export function fullDisk(error: unknown, path: string): Problem | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return undefined
  return problem('NO_SPACE', `The disk is full: ${path} could not be written.`)
}
