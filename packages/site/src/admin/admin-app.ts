/**
 * The admin API as a function from request to response, built from the table of routes in the
 * protocol.
 *
 * 1. Every route of the table has a handler, or the site does not start.
 * 2. Before a caller has proved who it is, every request gets the same answer and no byte of a body
 *    is read (SEC-18).
 * 3. A body is bounded before it is read and parsed by its schema before a handler sees it.
 *    Nor is one read of a caller who may not use the route (`gate.ts`).
 * 4. What goes wrong is a problem document; the cause of a surprise stays in the log.
 */
import { type AdminRoute, type AdminRouteId, adminRoutes, ProblemError, problem } from '@sluice/protocol'
import { Hono } from 'hono'
import type { z } from 'zod'
import type { Actor } from '../administrators/actor.ts'
import type { Gate } from '../administrators/gate.ts'
import type { Log } from '../log.ts'
import { badRequest, problemOf } from '../problem-document.ts'
import { type FromWhere, jsonBody, refuse } from './exchange.ts'

type Routes = typeof adminRoutes
type Body<K extends AdminRouteId> = Routes[K] extends { body: infer S extends z.ZodType } ? z.output<S> : undefined
type Query<K extends AdminRouteId> = Routes[K] extends { query: infer S extends z.ZodType }
  ? z.output<S>
  : Readonly<Record<string, string>>
type Answer<K extends AdminRouteId> = z.input<Routes[K]['answer']>

export interface AdminRequest<Body = unknown, Query = unknown> {
  /** `:id` of the path, as sent; empty where the path has none. */
  id: string
  /** Parsed by the route's schema. */
  body: Body
  /** Parsed by the route's schema, where it has one. */
  query: Query
  actor: Actor
  /** Network address of the caller. */
  address: string
  /** Aborts when the caller has gone. */
  signal: AbortSignal
}

/** Answers one route. Expected failures are thrown as `ProblemError`. */
export type AdminHandler<K extends AdminRouteId = AdminRouteId> = (
  request: AdminRequest<Body<K>, Query<K>>,
) => Promise<Answer<K>>
export type AdminHandlers = { [K in AdminRouteId]: AdminHandler<K> }

export interface AdminAppOptions {
  handlers: AdminHandlers
  /** Who a request comes from, as its headers prove; undefined: nobody. */
  authenticate(request: Request): Promise<Actor | undefined>
  gate: Gate
  log: Log
  /** Also hold answers against their schemas, as tests do. */
  checkAnswers?: boolean
}

interface Env {
  Bindings: FromWhere
  Variables: { actor: Actor }
}

export function createAdminApp(options: AdminAppOptions): Hono<Env> {
  const { handlers, authenticate, gate, log, checkAnswers = false } = options
  const app = new Hono<Env>()

  app.use(async (context, next) => {
    context.header('cache-control', 'no-store')
    context.header('x-content-type-options', 'nosniff')
    const actor = await authenticate(context.req.raw)
    if (actor === undefined) return refuse(context, notAuthenticated) // 2.
    context.set('actor', actor)
    await next()
  })

  for (const [id, route] of Object.entries(adminRoutes) as [AdminRouteId, AdminRoute][]) {
    const handler = handlers[id] as AdminHandler | undefined
    if (handler === undefined) throw new Error(`no handler for the admin route ${id}`) // 1.
    app.on(route.method, route.path, async (context) => {
      const call = {
        route: id,
        actor: context.get('actor'),
        address: context.env?.address ?? '',
        id: context.req.param('id') ?? '',
      }
      await gate.admit(call) // 2.
      const request = {
        ...call,
        // Parsed by the schema of this very route.
        body: (route.body === undefined
          ? undefined
          : await jsonBody(context.req.raw, route.body, route.maxBodyBytes)) as Body<AdminRouteId>,
        query: queryOf(route, context.req.query()) as Query<AdminRouteId>,
        signal: context.req.raw.signal,
      }
      const before = beforeChange[id]
      const answer = await gate.pass(
        request,
        () => handler(request),
        before && (() => before(handlers, { ...request, body: undefined })),
      )
      if (checkAnswers) route.answer.parse(answer)
      return context.json(answer)
    })
  }

  app.notFound((context) => refuse(context, problem('NOT_FOUND', 'The admin API has no such route.')))
  app.onError((error, context) =>
    refuse(context, problemOf(error, log, `admin ${context.req.method} ${context.req.path}`)),
  )
  return app
}

/** One answer for everybody (SEC-18): whether something came, and was nearly right, is nobody's business. */
const notAuthenticated = problem(
  'NOT_AUTHENTICATED',
  'The admin API needs a session or a token: there was none, or it is not one of this site, was taken back, or is over.',
)

function queryOf({ query }: AdminRoute, asked: Record<string, string>): unknown {
  if (query === undefined) return asked
  const parsed = query.safeParse(asked)
  if (!parsed.success) throw new ProblemError(badRequest(parsed.error))
  return parsed.data
}

type Reading = AdminRequest<undefined, Query<AdminRouteId>>
const named = async <T extends { id: string }>(all: Promise<T[]>, id: string) =>
  (await all).find((one) => one.id === id)

/** How the audit learns what was there before a change. */
const beforeChange: Partial<Record<AdminRouteId, (handlers: AdminHandlers, request: Reading) => Promise<unknown>>> = {
  setClientSettings: (handlers, request) => handlers.clientSettings(request),
  setCollectionMembers: (handlers, request) => named(handlers.collections(request), request.id),
  setCollectionVariable: (handlers, request) => handlers.collectionVariables(request),
  removeCollectionVariable: (handlers, request) => handlers.collectionVariables(request),
  setVariablePriority: (handlers, request) => handlers.collectionVariables(request),
  setDeviceVariable: async (handlers, request) => (await handlers.deviceVariables(request)).variables,
  removeDeviceVariable: async (handlers, request) => (await handlers.deviceVariables(request)).variables,
  changeDeployment: (handlers, request) => handlers.deployment(request),
  deleteDeployment: (handlers, request) => handlers.deployment(request),
  approveDevice: (handlers, request) => handlers.device(request),
  revokeDevice: (handlers, request) => handlers.device(request),
  deleteDevice: (handlers, request) => handlers.device(request),
  changeGateway: (handlers, request) => named(handlers.gateways(request), request.id),
  deleteGateway: (handlers, request) => named(handlers.gateways(request), request.id),
}
