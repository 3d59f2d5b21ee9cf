/**
 * From a request on a listener to the one who answers it, in this order: form, rate of the address,
 * identity, rate of the identity, route, class, body. Whoever has not proved who he is learns nothing from the order that follows: every
 * path gives him the same answer (SEC-01, SEC-18).
 *
 * 1. Identity belongs to the listener: `anonymous` routes exist on the enrolment listener only, the
 *    others on the device listener only.
 * 2. Every route of the table has somebody to answer it and a known class, or nothing starts.
 * 3. The certificate is judged anew for each request, and for an answer that takes long every
 *    `identityIntervalMs`: whoever may no longer be here is cut in the middle of it (SEC-58).
 * 4. After a refusal that ends its connection nothing more that came on it is looked at: what looks like
 *    the next request may be the body of this one (SEC-50).
 * 5. Requests of one connection are looked at one after another, however many come at once.
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
import { type Log, reason } from '../log.ts'
import type { GatewayLimits } from '../settings/config.ts'
import type { SiteConfiguration } from '../settings/site-configuration.ts'
import { admit, type DeviceCertificate, readDeviceCertificate } from '../tls/device-certificate.ts'
import { framingFault } from '../tls/framing.ts'
import { peerCertificate } from '../tls/https-listener.ts'
import { sendProblem } from './answer.ts'
import type { BodyReader } from './body.ts'
import { addressKey, createRateLimiter, type RateLimiter } from './rate-limit.ts'

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
/** Made once: a reason of its own for each request would carry a trace that nobody reads. */
const GONE = new DOMException('the device is gone', 'AbortError')

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
  rates: Rates
  /** Tells what was answered: route `none` when there was none. */
  observe: (route: string, status: number, seconds: number) => void
  /** Between two looks at those who are being answered, in milliseconds. */
  identityIntervalMs: number
  now: () => number
  log: Log
}

/** How often one may ask. Each listener takes from the same buckets. */
export interface Rates {
  address: RateLimiter
  enrolment: RateLimiter
  device: RateLimiter
}

export const createRates = (rates: GatewayLimits['rates']): Rates => ({
  address: createRateLimiter(rates.address),
  enrolment: createRateLimiter(rates.enrolment),
  device: createRateLimiter(rates.device),
})

export interface Dispatch {
  answer(request: IncomingMessage, response: ServerResponse): void
  /** Ends the looks at those who are being answered. */
  stop(): void
}

export function createDispatch(options: DispatchOptions): Dispatch {
  const { listener, handlers, rates, log } = options
  const authenticate = listener === 'device' ? deviceAuthentication(options) : anonymousAuthentication
  const condemned = new WeakSet<Socket>()
  const turns = new WeakMap<Socket, Promise<void>>()
  const answering = new Set<DeviceRequest>()
  // 3
  const watch = setInterval(() => {
    for (const { mayStay, response } of answering) if (!mayStay()) response.destroy()
  }, options.identityIntervalMs)
  watch.unref()

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request
    if (condemned.has(socket)) return
    const began = performance.now()
    let routeId = 'none'
    response.once('close', () => options.observe(routeId, response.statusCode, (performance.now() - began) / 1000))
    const refuse = (why: Problem) => {
      condemned.add(socket) // 4
      sendProblem(response, why, { close: true })
    }
    const fault = framingFault(request)
    if (fault !== undefined) return refuse(problem('BAD_REQUEST', fault))
    const address = addressOf(socket)
    const tooOften = rates.address.take(address)
    if (tooOften > 0) return refuse(rateLimited(tooOften))
    const [path = '', query = ''] = (request.url ?? '').split('?', 2)
    const match = matchDeviceRoute(request.method ?? '', path)
    const found = match !== undefined && listenerOf[deviceRoutes[match.id].identity] === listener ? match : undefined // 1
    const caller = authenticate(socket, found === undefined ? 'device' : deviceRoutes[found.id].identity)
    if (!caller.ok) return refuse(caller.problem)
    if (found === undefined) return refuse(problem('NOT_FOUND', 'No such route.'))

    routeId = found.id
    const again = caller.value.identity === 'device' ? rates.device.take(caller.value.deviceId) : 0
    const wait = found.id === 'enrol' || found.id === 'signIn' ? rates.enrolment.take(address) : again
    if (wait > 0) return refuse(rateLimited(wait))

    const route: DeviceRoute = deviceRoutes[found.id]
    const handler = handlers.get(found.id)
    if (handler === undefined) throw new Error(`route ${found.id} is not bound`)
    const body = await options.bodies.read(request, route.maxBodyBytes)
    if (!body.ok) return refuse(body.problem)
    let gone: AbortController | undefined
    const asked: DeviceRequest = {
      caller: caller.value,
      parameters: found.parameters,
      get query() {
        return new URLSearchParams(query)
      },
      host: request.headers.host ?? '',
      headers: request.headers,
      body: body.value.body,
      get signal() {
        gone ??= new AbortController()
        if (response.destroyed && !response.writableFinished) gone.abort(GONE)
        return gone.signal
      },
      mayStay: () => authenticate(socket, route.identity).ok,
      response,
    }
    answering.add(asked)
    const close = () => {
      answering.delete(asked)
      body.value.release()
      if (!response.writableFinished) gone?.abort(GONE)
    }
    // The device may have left while its body was read.
    if (response.closed) return close()
    response.once('close', close)
    await handler(asked)
  }

  return {
    answer(request, response) {
      const turn = (turns.get(request.socket) ?? Promise.resolve())
        .then(() => answer(request, response))
        .catch((thrown: unknown) => sendProblem(response, problemOf(thrown, log), { close: true }))
      turns.set(request.socket, turn) // 5
    },
    stop: () => clearInterval(watch),
  }
}

const rateLimited = (retryAfterMs: number): Problem =>
  problem('RATE_LIMITED', 'Too many requests from here.', { retryAfterMs })

function problemOf(thrown: unknown, log: Log): Problem {
  const id = crypto.randomUUID()
  log.error('request.failed', { id, reason: reason(thrown) })
  return problem('INTERNAL', `The gateway's log has the cause under ${id}.`)
}

const remoteAddress = (socket: Socket): string => socket.remoteAddress ?? ''

/** What counts as the address of a connection, found out once. */
function addressOf(socket: Socket): string {
  const known = addresses.get(socket)
  if (known !== undefined) return known
  const address = addressKey(remoteAddress(socket))
  addresses.set(socket, address)
  return address
}
const addresses = new WeakMap<Socket, string>()

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
    let known = read.get(socket)
    // A connection shows one certificate for as long as it lives: nothing is renegotiated.
    if (known === undefined && peerCertificate(socket) === undefined) return failed(notAuthenticated())
    if (configuration === undefined)
      return failed(
        problem('SITE_UNREACHABLE', 'This gateway has not heard of its site yet.', { retryAfterMs: RETRY_AFTER_MS }),
      )
    const authorities = siteConfiguration.authorities()
    if (known?.authorities !== authorities) {
      const presented = peerCertificate(socket)
      const certificate = presented && readDeviceCertificate(presented, configuration.siteId, authorities)
      known = { authorities, certificate }
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
