/**
 * The site's end of the device plane: takes what a gateway relays, hands it to the handler of the
 * route, and answers with bytes. Trusts a gateway to say who asks, not to have kept to the rules.
 */
import { type Caller, type DeviceRoute, deviceRoutes, fail, type GatewayId, ProblemError } from '@sluice/protocol'
import type { Log } from '../log.ts'
import { badRequest, parseJson, problemOf, problemReply } from '../problem-document.ts'
import type { DeviceHandler, DeviceHandlers, RelayedAnswer, SiteRouteId } from './handler.ts'

export interface RelayedCall {
  /** What the gateway proved; parsed by the connector. */
  caller: Caller
  gateway: { gatewayId: GatewayId; kind: 'internet' | 'internal' }
  /** Of the route's path. */
  parameters: Record<string, string>
  bodyBytes: Uint8Array
  signal: AbortSignal
}

export interface RelayedReply {
  /** HTTP status. */
  status: number
  contentType: string
  body: Uint8Array
}

export interface DevicePlane {
  /** Largest body of a route in bytes, so that no more is read; undefined when the site does not answer it. */
  maxBodyBytes(routeId: string): number | undefined
  /** Never throws. */
  handle(routeId: string, call: RelayedCall): Promise<RelayedReply>
}

/**
 * @param checkAnswers also hold answers against their schemas, as tests do
 * @throws when a route that the site answers has no handler
 */
export function createDevicePlane(options: {
  handlers: DeviceHandlers
  log: Log
  checkAnswers?: boolean
}): DevicePlane {
  const { handlers, log, checkAnswers = false } = options
  const routes = new Map<string, { route: DeviceRoute; handler: DeviceHandler }>()
  for (const [id, route] of Object.entries(deviceRoutes)) {
    if (route.answeredBy !== 'site') continue
    const handler = handlers[id as SiteRouteId] as DeviceHandler | undefined
    if (handler === undefined) throw new Error(`no handler for the device route ${id}`)
    routes.set(id, { route, handler })
  }

  async function answer(routeId: string, call: RelayedCall): Promise<RelayedReply> {
    const known = routes.get(routeId) ?? fail('NOT_FOUND', 'The site answers no such route.')
    const { route, handler } = known
    if (route.identity !== 'anonymous' && call.caller.identity !== 'device')
      fail('NOT_AUTHENTICATED', 'This route needs the certificate of a device.')
    if (call.bodyBytes.length > route.maxBodyBytes)
      fail('BODY_TOO_LARGE', `${call.bodyBytes.length} bytes; ${routeId} takes ${route.maxBodyBytes}.`)
    const body = requestBody(route, call.bodyBytes)
    // The body has just been parsed by the schema of this very route.
    const reply = reply200(await handler({ ...call, body } as Parameters<DeviceHandler>[0]), route)
    if (reply.body.length > route.maxAnswerBytes)
      throw new Error(`the answer of ${routeId} has ${reply.body.length} bytes, more than ${route.maxAnswerBytes}`)
    return reply
  }

  function reply200(answer: RelayedAnswer, route: DeviceRoute): RelayedReply {
    if (answer.kind === 'bytes') return { status: 200, contentType: 'application/octet-stream', body: answer.body }
    if (checkAnswers) route.answer?.parse(answer.body)
    return { status: 200, contentType: 'application/json', body: json(answer.body) }
  }

  return {
    maxBodyBytes: (routeId) => routes.get(routeId)?.route.maxBodyBytes,
    async handle(routeId, call) {
      try {
        return await answer(routeId, call)
      } catch (error) {
        return problemReply(problemOf(error, log, `device route ${routeId}`))
      }
    },
  }
}

function requestBody(route: DeviceRoute, bytes: Uint8Array): unknown {
  if (route.request === undefined) return undefined
  const body = parseJson(bytes) ?? fail('BAD_REQUEST', 'The body is not JSON.')
  const parsed = route.request.safeParse(body.value)
  if (!parsed.success) throw new ProblemError(badRequest(parsed.error))
  return parsed.data
}

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value))
