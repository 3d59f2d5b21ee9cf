/**
 * From a request on a listener to the one who answers it, in this order: form, identity, route,
 * class, body. Whoever has not proved who he is learns nothing from the order that follows: every
 * path gives him the same answer (SEC-01, SEC-18).
 *
 * 1. Identity belongs to the listener: `anonymous` routes exist on the enrolment listener only, the
 *    others on the device listener only.
 * 2. Every route of the table has somebody to answer it and a known class, or nothing starts.
 * 3. The certificate is judged anew for each request; an answer that takes long asks again (`mayStay`).
 */
import type { X509Certificate } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import {
  type Caller,
  type DeviceRoute,
  deviceRoutes,
  failed,
  type IdentityClass,
  matchDeviceRoute,
  ok,
  type Problem,
  problem,
  type Result,
} from '@sluice/protocol'
import { sendProblem } from './answer.ts'
import type { BodyReader } from './body.ts'
import { type Log, reason } from './log.ts'
import type { SiteConfiguration } from './site-configuration.ts'
import { admit, type DeviceCertificate, readDeviceCertificate } from './tls/device-certificate.ts'
import { framingFault } from './tls/framing.ts'
import { peerCertificate } from './tls/https-listener.ts'

export type ListenerKind = 'enrolment' | 'device'

/** A request whose sender, route and size are known to be in order. */
export interface DeviceRequest {
  caller: Caller
  parameters: Record<string, string>
  query: URLSearchParams
  /** As the device wrote it; a plain name and perhaps a port. */
  host: string
  headers: IncomingMessage['headers']
  body: Uint8Array
  /** Aborted when the device goes away. */
  signal: AbortSignal
  /** Whether the same request would still be let in: its certificate may have expired or been revoked since. */
  mayStay: () => boolean
  response: ServerResponse
}

/** Answers one request; expected failures are sent, and whatever is thrown is a surprise. */
export type RouteHandler = (request: DeviceRequest) => Promise<void>

const listenerOf: Record<IdentityClass, ListenerKind> = {
  anonymous: 'enrolment',
  device: 'device',
  deviceOrExpired: 'device',
}

const RETRY_AFTER_MS = 5_000

/**
 * Puts the table of routes and their implementations together.
 * @throws when a route has no implementation or no known class, or an implementation has no route (2)
 */
export function bindRoutes(
  handlers: Record<string, RouteHandler>,
  routes: Record<string, DeviceRoute> = deviceRoutes,
): Map<string, RouteHandler> {
  const bound = new Map<string, RouteHandler>()
  for (const [id, route] of Object.entries(routes)) {
    const handler = handlers[id]
    if (handler === undefined) throw new Error(`route ${id} has nobody to answer it`)
    if (listenerOf[route.identity] === undefined) throw new Error(`route ${id} does not say who may call it`)
    bound.set(id, handler)
  }
  for (const id of Object.keys(handlers)) if (!bound.has(id)) throw new Error(`${id} is no route of the table`)
  return bound
}

export interface DispatchOptions {
  listener: ListenerKind
  handlers: Map<string, RouteHandler>
  siteConfiguration: SiteConfiguration
  bodies: BodyReader
  now: () => number
  log: Log
}

export function createDispatch(options: DispatchOptions): (request: IncomingMessage, response: ServerResponse) => void {
  const { listener, handlers, log } = options
  const authenticate = listener === 'device' ? deviceAuthentication(options) : anonymousAuthentication

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const fault = framingFault(request)
    if (fault !== undefined) return sendProblem(response, problem('BAD_REQUEST', fault), { close: true })
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const match = matchDeviceRoute(request.method ?? '', path)
    const found = match !== undefined && listenerOf[deviceRoutes[match.id].identity] === listener ? match : undefined // 1
    const caller = authenticate(request.socket, found === undefined ? 'device' : deviceRoutes[found.id].identity)
    if (!caller.ok) return sendProblem(response, caller.problem, { close: true })
    if (found === undefined) return sendProblem(response, problem('NOT_FOUND', 'No such route.'), { close: true })

    const route: DeviceRoute = deviceRoutes[found.id]
    const handler = handlers.get(found.id)
    if (handler === undefined) throw new Error(`route ${found.id} is not bound`)
    const body = await options.bodies.read(request, route.maxBodyBytes)
    if (!body.ok) return sendProblem(response, body.problem, { close: true })
    const gone = new AbortController()
    response.once('close', () => {
      body.value.release()
      if (!response.writableFinished) gone.abort()
    })
    await handler({
      caller: caller.value,
      parameters: found.parameters,
      query: new URLSearchParams(query),
      host: request.headers.host ?? '',
      headers: request.headers,
      body: body.value.body,
      signal: gone.signal,
      mayStay: () => authenticate(request.socket, route.identity).ok,
      response,
    })
  }

  return (request, response) => {
    answer(request, response).catch((thrown: unknown) => sendProblem(response, problemOf(thrown, log), { close: true }))
  }
}

function problemOf(thrown: unknown, log: Log): Problem {
  const id = crypto.randomUUID()
  log.error('request.failed', { id, reason: reason(thrown) })
  return problem('INTERNAL', `The gateway's log has the cause under ${id}.`)
}

const remoteAddress = (socket: Socket): string => socket.remoteAddress ?? ''

function anonymousAuthentication(socket: Socket): Result<Caller> {
  return ok({ identity: 'anonymous', remoteAddress: remoteAddress(socket) })
}

function deviceAuthentication({ siteConfiguration, now }: DispatchOptions) {
  /** What was read from a connection's certificate, and with which authorities. */
  const read = new WeakMap<
    Socket,
    { authorities: readonly X509Certificate[]; certificate: DeviceCertificate | undefined }
  >()

  return (socket: Socket, identity: IdentityClass): Result<Caller> => {
    const configuration = siteConfiguration.current()
    const presented = peerCertificate(socket)
    if (presented === undefined) return failed(notAuthenticated())
    if (configuration === undefined)
      return failed(
        problem('SITE_UNREACHABLE', 'This gateway has not heard of its site yet.', { retryAfterMs: RETRY_AFTER_MS }),
      )
    const authorities = siteConfiguration.authorities()
    let known = read.get(socket)
    if (known?.authorities !== authorities) {
      known = { authorities, certificate: readDeviceCertificate(presented, configuration.siteId, authorities) }
      read.set(socket, known)
    }
    const { certificate } = known
    if (certificate === undefined) return failed(notAuthenticated())
    const admitted = admit(certificate, identity, now(), siteConfiguration.isRevoked) // 3
    if (!admitted.ok) return admitted
    return ok({
      identity: 'device',
      deviceId: certificate.deviceId,
      certificate: certificate.hash,
      expired: admitted.value.expired,
      remoteAddress: remoteAddress(socket),
    })
  }
}

const notAuthenticated = (): Problem =>
  problem('NOT_AUTHENTICATED', 'A certificate of a device of this site is needed here.')
