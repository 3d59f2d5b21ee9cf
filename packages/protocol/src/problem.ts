/**
 * A problem is an expected failure, as a value: a code, what happened, and whether trying again
 * makes sense. The same shape goes over HTTP (RFC 9457), into the status messages of a device and
 * into the logs. `docs/problems.md` has a section for each code; a test keeps both in step.
 */
import { z } from 'zod'
import { agentProblems } from './problems/agent.ts'
import { contentProblems } from './problems/content.ts'
import { deploymentProblems } from './problems/deployment.ts'
import { gatewayCheckProblems } from './problems/gateway-check.ts'
import { identityProblems } from './problems/identity.ts'
import { releaseProblems } from './problems/release.ts'
import { requestProblems } from './problems/request.ts'
import { sequenceProblems } from './problems/sequence.ts'
import { siteProblems } from './problems/site.ts'

/** `never`: the same call will fail again. `later`: wait, with backoff. `now`: at once, elsewhere or anew. */
export type Retry = 'never' | 'later' | 'now'

export interface ProblemKind {
  /** HTTP status when this problem is the answer to a request. */
  status: number
  retry: Retry
  /** What happened, in a few words, the same for every instance. */
  title: string
  /** What an administrator does next. */
  remedy: string
}

export const problems = {
  ...requestProblems,
  ...identityProblems,
  ...contentProblems,
  ...deploymentProblems,
  ...sequenceProblems,
  ...agentProblems,
  ...releaseProblems,
  ...siteProblems,
  ...gatewayCheckProblems,
} as const satisfies Record<string, ProblemKind>

export type ProblemCode = keyof typeof problems

export const ProblemCode = z.enum(Object.keys(problems) as [ProblemCode, ...ProblemCode[]])

/** A place in a text that somebody wrote: a sequence file, say. */
export const SourcePlace = z.object({
  file: z.string().optional(),
  /** 1-based. */
  line: z.int().positive(),
  /** 1-based. */
  column: z.int().positive(),
})
export type SourcePlace = z.infer<typeof SourcePlace>

/** One fault in a document: where it is, what was found and what was expected. */
export const ProblemDetail = z.object({
  place: SourcePlace.optional(),
  /** Path inside the document, as in `steps[2].package`. */
  path: z.string(),
  message: z.string(),
})
export type ProblemDetail = z.infer<typeof ProblemDetail>

/** On the wire; readers ignore fields they do not know. */
export const Problem = z.object({
  code: z.string(),
  title: z.string(),
  /** This instance: names, numbers, places. Never a secret, never a signed URL. */
  detail: z.string(),
  retry: z.enum(['never', 'later', 'now']),
  /** When `retry` is `later` and the answering side knows: milliseconds to wait. */
  retryAfterMs: z.int().nonnegative().optional(),
  errors: z.array(ProblemDetail).optional(),
})
export type Problem = Omit<z.infer<typeof Problem>, 'code'> & { code: ProblemCode }

/** Builds a problem of a known code. `detail` says what happened here and what to do next. */
export function problem(
  code: ProblemCode,
  detail: string,
  more: { retryAfterMs?: number; errors?: ProblemDetail[] } = {},
): Problem {
  const { title, retry } = problems[code]
  return { code, title, detail, retry, ...more }
}

/** An expected outcome as a value. */
export type Result<T> = { ok: true; value: T } | { ok: false; problem: Problem }

export const ok = <T>(value: T): Result<T> => ({ ok: true, value })
export const failed = <T = never>(reason: Problem): Result<T> => ({ ok: false, problem: reason })

/**
 * Carries a problem through code that throws (HTTP handlers, streams). Everything else that is
 * thrown is a surprise and becomes `INTERNAL` at the edge, its message kept in the log.
 */
export class ProblemError extends Error {
  readonly problem: Problem
  constructor(reason: Problem, options?: ErrorOptions) {
    super(`${reason.code}: ${reason.detail}`, options)
    this.name = 'ProblemError'
    this.problem = reason
  }
}

/** Throws a `ProblemError`. */
export function fail(
  code: ProblemCode,
  detail: string,
  more: { retryAfterMs?: number; errors?: ProblemDetail[] } = {},
): never {
  throw new ProblemError(problem(code, detail, more))
}

/**
 * Reads a problem that came from the other side. A code of a newer version is kept as `INTERNAL`
 * with its text, so that nothing is lost in the log and the retry advice still holds.
 */
export function readProblem(body: unknown, httpStatus: number): Problem {
  const parsed = Problem.safeParse(body)
  if (!parsed.success) return problem('BAD_ANSWER', `HTTP ${httpStatus} without a problem document`)
  const known = ProblemCode.safeParse(parsed.data.code)
  if (known.success) return { ...parsed.data, code: known.data }
  return { ...parsed.data, code: 'INTERNAL', detail: `${parsed.data.code}: ${parsed.data.detail}` }
}
