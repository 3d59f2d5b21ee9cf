/**
 * The agent's only way out: calls of the device plane, and connections for signed addresses.
 *
 * Owns: TLS towards gateways, the order in which they are tried, the form of every answer. Does not
 * own: when to try again (each caller has its own backoff), what an answer means.
 *
 *   G1. Only certificates of the pinned gateway authority, and of those that the device's configuration
 *       names, are accepted; the system's are not.
 *   G2. No session is resumed, so a changed certificate or a revocation counts at once.
 *   G3. No host is ever contacted that is not on the list of gateways (SEC-11), but for cloud storage
 *       whose origin signed policy names: over TLS, with nothing of this device's.
 *   G4. Every answer is bounded by its route and parsed by its schema.
 *   G5. After *certificate expired* nothing but `renew` is asked until there is a new certificate.
 *   G6. Expected failures are values; the only rejection is the caller's own abort.
 */
import { constants } from 'node:crypto'
import { Agent, type AgentOptions } from 'node:https'
import { type Exchange, exchange } from '@sluice/content/exchange'
import {
  type DeviceNotice,
  type DeviceRoute,
  type DeviceRouteId,
  devicePath,
  deviceRoutes,
  ENROLMENT_SERVER_NAME,
  failed,
  type GatewayAddress,
  type GatewayId,
  matchDeviceRoute,
  ok,
  type Problem,
  problem,
  type Result,
  readProblem,
} from '@sluice/protocol'
import type { z } from 'zod'
import { createGatewayList } from './gateway-list.ts'
import { followNotices } from './notice-stream.ts'
import type { WayOut } from './way-out.ts'

type Routes = typeof deviceRoutes
export type RouteBody<K extends DeviceRouteId> = Routes[K] extends { request: infer S extends z.ZodType }
  ? z.input<S>
  : undefined
/** Bytes where the route has no schema for its answer. */
export type RouteAnswer<K extends DeviceRouteId> = Routes[K] extends { answer: infer S extends z.ZodType }
  ? z.output<S>
  : Buffer

export interface Call<K extends DeviceRouteId> {
  parameters?: Record<string, string>
  body?: RouteBody<K>
  /** Where the caller expects less than the route allows. */
  maxAnswerBytes?: number
  /** Asks this gateway and no other. */
  at?: GatewayId
  signal?: AbortSignal
}

/** PEM of the device's private key and of its certificate chain. */
export interface Credentials {
  key: string
  certificate: string
}

/** How to reach what a signed address names, for `https.request(url, { agent, … })`. */
export interface ObjectTarget {
  url: URL
  /**
   * Keeps connections alive. Towards gateways with the client certificate, and trusting only their authority;
   * towards cloud storage without a certificate, and trusting what the system trusts.
   */
  agent: Agent
  /** What serves it. */
  source: 'gateway' | 'cloud'
}

export interface GatewayClient {
  /** Calls a route, at the next gateway too when one cannot be reached. Rejects only when `signal` aborts. */
  call<K extends DeviceRouteId>(route: K, call?: Call<K>): Promise<Result<RouteAnswer<K>>>
  /**
   * Opens the quiet request at the first gateway that takes it, and follows it to its end. Gives why it
   * ended, or why no gateway took it. Rejects only when `signal` aborts.
   */
  listen(listening: Listening): Promise<Problem>
  /** `BAD_ANSWER` when the address is not an object at one of the gateways, or in known cloud storage (G3). */
  objectTarget(signedUrl: string): Result<ObjectTarget>
  /** Where signed addresses will probably lead: connections to it can be made before there is one. */
  likelySource(): ObjectTarget | undefined
  /** From now on with this certificate. Requests under way end with the old one. */
  identify(credentials: Credentials): void
  /** Replaces the list of gateways, and their authority where it is given. */
  use(gateways: readonly GatewayAddress[], authority?: string): void
  /** Replaces the origins of cloud storage that signed policy names. */
  useCloud(origins: readonly string[]): void
  gateways(): readonly GatewayAddress[]
  /** Whether the last call reached a gateway. */
  online(): boolean
  /** Calls `listener` when `online` changes; returns what ends that. */
  onOnline(listener: () => void): () => void
  /** Calls `listener` when the site says that the certificate has expired; returns what ends that. */
  onExpired(listener: () => void): () => void
  /** Calls `listener` each time the site says that the certificate is revoked; returns what ends that. */
  onRevoked(listener: () => void): () => void
  /** Whether that was the last that was heard of it. */
  revoked(): boolean
  /** Ends all connections. */
  close(): void
}

export interface Listening {
  onOpen: () => void
  onNotice: (notice: DeviceNotice) => void
  signal: AbortSignal
}

export interface GatewayClientOptions {
  /** PEM of the site's authority. */
  authority: string
  /** A proxy, and authorities that are trusted besides. */
  wayOut?: WayOut
  gateways: readonly GatewayAddress[]
  /** The gateway that answered last before this process. */
  remembered?: string | undefined
  remember?: (gatewayId: GatewayId) => void
  idleMs?: number
  totalMs?: number
}

export function createGatewayClient(options: GatewayClientOptions): GatewayClient {
  const { idleMs = 30_000, totalMs = 600_000 } = options
  const list = createGatewayList(options.gateways, options.remembered, options.remember ?? (() => {}))
  const onlineListeners = new Set<() => void>()
  const expiredListeners = new Set<() => void>()
  let authority = options.authority
  let credentials: Credentials | undefined
  const { wayOut = { authorities: [] } } = options
  let agents = openAgents(authority, wayOut, undefined, idleMs)
  let online = false
  let cloudOrigins: ReadonlySet<string> = new Set()
  const revokedListeners = new Set<() => void>()
  let expired = false
  let revoked = false

  /** Requests under way keep their agent; its free connections end by their time-out. */
  const renewAgents = () => {
    agents = openAgents(authority, wayOut, credentials, idleMs)
  }
  const setOnline = (now: boolean) => {
    if (now === online) return
    online = now
    for (const listener of onlineListeners) listener()
  }

  function reached(gatewayId: GatewayId): void {
    list.prefer(gatewayId)
    setOnline(true)
  }
  function heed(refusal: Problem): void {
    if (refusal.code === 'CERTIFICATE_REVOKED') {
      revoked = true
      for (const listener of revokedListeners) listener()
    }
    // G5
    if (refusal.code !== 'CERTIFICATE_EXPIRED' || expired) return
    expired = true
    for (const listener of expiredListeners) listener()
  }

  async function listen({ onOpen, onNotice, signal }: Listening): Promise<Problem> {
    let last = problem('UNREACHABLE', 'There is no gateway to listen to.')
    if (credentials === undefined) return problem('NOT_AUTHENTICATED', 'This device has no certificate yet.')
    if (expired) return problem('CERTIFICATE_EXPIRED', 'The certificate must be renewed first.')
    for (const { gatewayId, deviceUrl } of list.ordered()) {
      let open = false
      last = await followNotices(new URL(devicePath('notify'), deviceUrl), {
        agent: agents.quiet,
        connectMs: idleMs,
        maxBytes: deviceRoutes.notify.maxAnswerBytes,
        refusalOf: (status, headers, body) => readRefusal({ status, headers, body }),
        onOpen() {
          open = true
          reached(gatewayId)
          onOpen()
        },
        onNotice,
        signal,
      })
      heed(last)
      if (open || last.code !== 'UNREACHABLE') return last
    }
    return last
  }

  async function call<K extends DeviceRouteId>(id: K, request: Call<K> = {}): Promise<Result<RouteAnswer<K>>> {
    const route: DeviceRoute = deviceRoutes[id]
    if (route.identity !== 'anonymous' && credentials === undefined)
      return failed(problem('NOT_AUTHENTICATED', 'This device has no certificate yet.'))
    // G5
    if (route.identity === 'device' && expired)
      return failed(problem('CERTIFICATE_EXPIRED', 'The certificate must be renewed first.'))
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
    if (body !== undefined && body.length > route.maxBodyBytes)
      return failed(problem('BODY_TOO_LARGE', `${id}: ${body.length} of ${route.maxBodyBytes} bytes.`))

    let last: Problem = problem('UNREACHABLE', 'There is no gateway to ask.')
    for (const gateway of list
      .ordered()
      .filter(({ gatewayId }) => request.at === undefined || gatewayId === request.at)) {
      const base = route.identity === 'anonymous' ? gateway.enrolmentUrl : gateway.deviceUrl
      const answered = await exchange(new URL(devicePath(id, request.parameters), base), {
        method: route.method,
        serverName: route.identity === 'anonymous' ? ENROLMENT_SERVER_NAME : undefined,
        agent: route.identity === 'anonymous' ? agents.anonymous : agents.control,
        headers: body === undefined ? {} : { 'content-type': 'application/json' },
        body,
        maxAnswerBytes: Math.min(route.maxAnswerBytes, request.maxAnswerBytes ?? route.maxAnswerBytes),
        idleMs,
        totalMs,
        signal: request.signal,
      })
      const result = answered.ok ? readAnswer(id, answered.value) : answered
      // Another gateway may have a way where this one has none; every other answer would be the same there.
      if (!result.ok && (result.problem.code === 'UNREACHABLE' || result.problem.code === 'SITE_UNREACHABLE')) {
        last = result.problem
        continue
      }
      reached(gateway.gatewayId)
      if (result.ok && route.identity !== 'anonymous') revoked = false
      else if (!result.ok && id !== 'renew') heed(result.problem)
      return result
    }
    if (request.at === undefined) setOnline(false)
    return failed(last)
  }

  return {
    call,
    listen,
    objectTarget(signedUrl) {
      const url = URL.canParse(signedUrl) ? new URL(signedUrl) : undefined
      if (url?.protocol === 'https:' && url.username === '' && cloudOrigins.has(url.origin))
        return ok({ url, agent: agents.cloud, source: 'cloud' })
      if (url === undefined || !list.ordered().some((gateway) => new URL(gateway.deviceUrl).origin === url.origin))
        return failed(
          problem('BAD_ANSWER', `A signed address leads to ${url?.host ?? 'nowhere'}, which is no gateway.`),
        )
      const object = matchDeviceRoute('GET', url.pathname)
      if (object?.id !== 'object' || url.username !== '')
        return failed(problem('BAD_ANSWER', `A signed address at ${url.host} does not name an object.`))
      return ok({ url, agent: agents.bulk, source: 'gateway' })
    },
    likelySource() {
      const [first] = list.ordered()
      return first === undefined ? undefined : { url: new URL(first.deviceUrl), agent: agents.bulk, source: 'gateway' }
    },
    identify(next) {
      credentials = next
      expired = false
      renewAgents()
    },
    use(gateways, nextAuthority = authority) {
      list.replace(gateways)
      if (nextAuthority === authority) return
      authority = nextAuthority
      renewAgents()
    },
    useCloud(origins) {
      cloudOrigins = new Set(origins)
    },
    gateways: () => list.ordered(),
    online: () => online,
    onOnline(listener) {
      onlineListeners.add(listener)
      return () => onlineListeners.delete(listener)
    },
    onExpired(listener) {
      expiredListeners.add(listener)
      return () => expiredListeners.delete(listener)
    },
    onRevoked(listener) {
      revokedListeners.add(listener)
      return () => revokedListeners.delete(listener)
    },
    revoked: () => revoked,
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

function openAgents(authority: string, wayOut: WayOut, credentials: Credentials | undefined, idleMs: number) {
  const tls: AgentOptions = {
    ca: [authority, ...wayOut.authorities],
    ...(wayOut.proxyUrl === undefined ? {} : { proxyEnv: { https_proxy: wayOut.proxyUrl } }),
    minVersion: 'TLSv1.2',
    // G2
    maxCachedSessions: 0,
    secureOptions: constants.SSL_OP_NO_TICKET,
  }
  // The time-out is of a connection without traffic, connecting ones included; for free ones this is how they end.
  const kept: AgentOptions = { ...tls, keepAlive: true, timeout: idleMs }
  const own = credentials === undefined ? {} : { key: credentials.key, cert: credentials.certificate }
  return {
    anonymous: new Agent({ ...kept, maxSockets: 2 }),
    control: new Agent({ ...kept, ...own, maxSockets: 8 }),
    // Bulk bytes have their own connections, so that a status message never waits behind a pack.
    bulk: new Agent({ ...kept, ...own, maxSockets: 64 }),
    cloud: new Agent({ minVersion: 'TLSv1.2', keepAlive: true, timeout: idleMs, maxSockets: 64 }),
    // Silent for long by its nature, and never used for anything else.
    quiet: new Agent({ ...tls, ...own }),
  }
}

function readRefusal({ status, headers, body }: Omit<Exchange, 'reused'>): Problem {
  const reason = readProblem(parseJson(body), status)
  const seconds = Number(headers['retry-after'])
  const wait = Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: Math.min(seconds, 86_400) * 1000 } : {}
  return { ...wait, ...reason }
}

/** G4 */
function readAnswer<K extends DeviceRouteId>(id: K, exchanged: Exchange): Result<RouteAnswer<K>> {
  const route: DeviceRoute = deviceRoutes[id]
  const { status, body } = exchanged
  if (status < 200 || status > 299) return failed(readRefusal(exchanged))
  if (route.answer === undefined) return ok(body as RouteAnswer<K>)
  const parsed = route.answer.safeParse(parseJson(body))
  if (parsed.success) return ok(parsed.data as RouteAnswer<K>)
  const [issue] = parsed.error.issues
  return failed(
    problem('BAD_ANSWER', `${id}: ${issue?.path.join('.') || 'the answer'}: ${issue?.message ?? 'wrong form'}`),
  )
}

/** Undefined, which no schema accepts, when it is not JSON. */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
