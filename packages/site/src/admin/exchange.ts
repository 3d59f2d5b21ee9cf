/** What every route for administrators does with a body and with a problem. */
import { fail, type Problem, ProblemError } from '@sluice/protocol'
import type { Context, Env } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { z } from 'zod'
import { badRequest, PROBLEM_TYPE, parseJson, problemStatus } from '../problem-document.ts'

/** What the listener knows of a request beside its text. */
export interface FromWhere {
  /** Network address of the caller. */
  address: string
}

/** A body of JSON, bounded before it is read and parsed by its schema. @throws ProblemError `BODY_TOO_LARGE`, `BAD_REQUEST` */
export async function jsonBody<S extends z.ZodType>(
  request: Request,
  schema: S,
  maxBytes: number,
): Promise<z.output<S>> {
  const bytes = await boundedBody(request, maxBytes)
  // No body at all is an empty one: some routes ask for nothing.
  const body = bytes.length === 0 ? { value: {} } : (parseJson(bytes) ?? fail('BAD_REQUEST', 'The body is not JSON.'))
  const parsed = schema.safeParse(body.value)
  if (!parsed.success) throw new ProblemError(badRequest(parsed.error))
  return parsed.data
}

/** A body may come without its length. */
async function boundedBody({ headers, body }: Request, maxBytes: number): Promise<Uint8Array> {
  const tooLarge = () => fail('BODY_TOO_LARGE', `This route takes ${maxBytes} bytes.`)
  if (Number(headers.get('content-length') ?? 0) > maxBytes) tooLarge()
  const reader = body?.getReader()
  const parts: Uint8Array[] = []
  let sizeBytes = 0
  for (let part = await reader?.read(); part?.done === false; part = await reader?.read()) {
    sizeBytes += part.value.length
    if (sizeBytes > maxBytes) tooLarge()
    parts.push(part.value)
  }
  return Buffer.concat(parts, sizeBytes)
}

/** A problem document. */
export function refuse<E extends Env>(context: Context<E>, reason: Problem): Response {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE }
  if (reason.retryAfterMs !== undefined) headers['retry-after'] = String(Math.ceil(reason.retryAfterMs / 1000))
  if (reason.code === 'NOT_AUTHENTICATED') headers['www-authenticate'] = 'Bearer'
  for (const [name, value] of Object.entries(headers)) context.header(name, value)
  return context.body(JSON.stringify(reason), problemStatus(reason) as ContentfulStatusCode)
}
