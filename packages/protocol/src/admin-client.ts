/** Typed client of the admin API, over any `fetch`. */
import type { z } from 'zod'
import type { AdminRoute } from './admin/route.ts'
import { type AdminRouteId, adminRoutes } from './admin.ts'
import { failed, ok, problem, type Result, readProblem } from './problem.ts'

type Body<K extends AdminRouteId> = (typeof adminRoutes)[K] extends { body: infer S extends z.ZodType }
  ? z.input<S>
  : undefined
/** What a route answers with. */
export type AdminAnswer<K extends AdminRouteId> = z.output<(typeof adminRoutes)[K]['answer']>

export interface AdminCall<K extends AdminRouteId> {
  id?: string
  body?: Body<K>
  query?: Record<string, string>
  signal?: AbortSignal
}

export interface AdminClient {
  /** Calls a route. Every expected failure, the network's included, is a value. */
  call<K extends AdminRouteId>(route: K, request?: AdminCall<K>): Promise<Result<AdminAnswer<K>>>
}

/**
 * @param baseUrl of the site's admin listener, as in `https://127.0.0.1:8443`
 * @param token sent as bearer token
 * @param fetch trusting the site's authority; the caller brings it
 */
export function createAdminClient(options: {
  baseUrl: string
  token: string
  fetch: typeof globalThis.fetch
}): AdminClient {
  return {
    async call<K extends AdminRouteId>(id: K, request: AdminCall<K> = {}): Promise<Result<AdminAnswer<K>>> {
      const route: AdminRoute = adminRoutes[id]
      const url = new URL(
        route.path.replace(':id', () => encodeURIComponent(request.id ?? '')),
        options.baseUrl,
      )
      for (const [name, value] of Object.entries(request.query ?? {})) url.searchParams.set(name, value)
      let response: Response
      let body: unknown
      try {
        response = await options.fetch(url, {
          method: route.method,
          headers: {
            authorization: `Bearer ${options.token}`,
            ...(request.body === undefined ? {} : { 'content-type': 'application/json' }),
          },
          ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
          ...(request.signal === undefined ? {} : { signal: request.signal }),
        })
        body = await response.json()
      } catch (error) {
        const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error)
        return failed(problem('UNREACHABLE', `${options.baseUrl}: ${cause}`))
      }
      if (!response.ok) return failed(readProblem(body, response.status))
      const parsed = route.answer.safeParse(body)
      if (!parsed.success)
        return failed(problem('BAD_ANSWER', `${id}: ${parsed.error.issues[0]?.message ?? 'wrong form'}`))
      return ok(parsed.data as AdminAnswer<K>)
    },
  }
}
