/** What a caller is told when something throws: a problem, and never more than that. */
import { randomUUID } from 'node:crypto'
import { type Problem, ProblemError, problem, problems } from '@sluice/protocol'
import { z } from 'zod'
import type { Log } from './log.ts'

export const PROBLEM_TYPE = 'application/problem+json'

/** The HTTP status that goes with a problem. */
export const problemStatus = (reason: Problem): number => problems[reason.code].status

/**
 * An expected failure as it is; a surprise as `INTERNAL` with an id, under which the log has the cause.
 * @param where names the route, for the log
 */
export function problemOf(error: unknown, log: Log, where: string): Problem {
  if (error instanceof ProblemError) return error.problem
  const id = randomUUID()
  log.error('unexpected failure', { id, where, error })
  return problem('INTERNAL', `The log of the site has the cause under ${id}.`)
}

/** A problem as a device is answered. */
export const problemReply = (reason: Problem) => ({
  status: problemStatus(reason),
  contentType: PROBLEM_TYPE,
  body: new TextEncoder().encode(JSON.stringify(reason)),
})

/** `BAD_REQUEST` with every path that does not fit, at most 100. */
export function badRequest(error: z.ZodError): Problem {
  const errors = error.issues
    .slice(0, 100)
    .map((issue) => ({ path: z.core.toDotPath(issue.path), message: issue.message }))
  const paths = errors.slice(0, 10).map(({ path, message }) => (path === '' ? message : `${path}: ${message}`))
  return problem('BAD_REQUEST', paths.join('; '), { errors })
}

/** Parses JSON in UTF-8; undefined for anything else. The caller has bounded the bytes. */
export function parseJson(bytes: Uint8Array): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)) }
  } catch {
    return undefined
  }
}
