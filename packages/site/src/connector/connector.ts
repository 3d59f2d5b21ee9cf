/**
 * The connector: keeps two connections to each gateway, dialled from inside, so that the site needs
 * no open port; and answers what gateways ask over them.
 *
 * Owns dialling, and what happens to a link. Does not own what is said (`link-routes.ts`, `join.ts`,
 * `event-stream.ts`) or the list of gateways.
 *
 * 1. Only addresses of the table are ever dialled (SEC-51).
 * 2. A gateway is "up" once it listens to the events: until then it might not have let us in.
 * 3. Every process of a site has a connector, which says on each connection whose it is: a newer one takes
 *    the place of an older one of the same process only.
 * 4. Several processes of a site each dial every gateway, also those that another process made, moved or
 *    removed: within a beat of the link.
 */
import {
  type DeviceId,
  fail,
  type GatewayConfiguration,
  type GatewayId,
  type GatewayPoint,
  gatewayUri,
  LINK_BULK,
  LINK_CONTROL,
  LINK_JOIN,
  linkBounds,
  type Problem,
  problem,
  type Sha256,
} from '@sluice/protocol'
import { type Clock, timestamp } from '../clock.ts'
import type { DevicePlane } from '../device-plane/device-plane.ts'
import type { Gateway, Gateways } from '../gateways/gateways.ts'
import type { SiteIdentity } from '../identity/site-identity.ts'
import type { Log } from '../log.ts'
import { problemOf } from '../problem-document.ts'
import { type ConnectionFigures, createConnectionFigures } from './connection-figures.ts'
import type { ContentSource } from './content-source.ts'
import { dialGateway } from './dial.ts'
import { type EventStream, openEventStream } from './event-stream.ts'
import { letJoin } from './join.ts'
import { type LinkKind, linkRoutes } from './link-routes.ts'
import { createLinkSession, type LinkCall } from './link-session.ts'
import type { LinkProxy } from './proxy-tunnel.ts'

const FIRST_DELAY_MS = 250
/** A link that comes back is used within 30 s (REL-18). */
const LONGEST_DELAY_MS = 5_000
/** A connection that lived this long was no failure. */
const SETTLED_MS = 5_000
/** How long a gateway without a link serves content (design §5). */
export const UNLINKED_CONTENT_MS = 4 * 3600_000

const protocols: Record<LinkKind, string> = { control: LINK_CONTROL, bulk: LINK_BULK }

export interface ConnectorOptions {
  gateways: Gateways
  identity: Pick<SiteIdentity, 'siteId' | 'deviceAuthority' | 'gatewayAuthority' | 'connectorCredentials'>
  devicePlane: DevicePlane
  content: ContentSource
  /** Raw Ed25519 public keys (standard base64) that sign content tokens, by key id. */
  contentTokenKeys(): Record<string, string> | Promise<Record<string, string>>
  revokedCertificates(): Promise<Sha256[]>
  /** Cloud distribution points, with what gateways read them with. */
  distributionPoints(): Promise<GatewayPoint[]>
  clock: Clock
  log: Log
  /** What lies between the site and its gateways; they are dialled directly without it. */
  proxy?: () => Promise<LinkProxy | undefined>
  /** How long a gateway without a link goes on serving content, in milliseconds; 4 hours by default. */
  unlinkedContentMs?: number
}

export interface Connector {
  start(): Promise<void>
  /** Certificates were revoked: every linked gateway hears of it at once. */
  certificatesRevoked(): void
  /** Something in what gateways are told may be other than before. */
  configurationChanged(): void
  /** A gateway shall hold other contents than before; all gateways when none is named. */
  contentsChanged(gatewayId?: GatewayId): void
  /**
   * These devices, or all, shall ask for policy now.
   * @param besides gateways that know already
   * @returns the gateways that were told
   */
  sync(devices?: readonly DeviceId[], besides?: readonly GatewayId[]): GatewayId[]
  stop(): Promise<void>
}

export function createConnector(options: ConnectorOptions): Connector {
  const { gateways, identity, clock, log } = options
  const stopped = new AbortController()
  const instance = crypto.randomUUID()
  const dialled = new Map<GatewayId, { address: string; stop: AbortController; done: Promise<unknown> }>()
  const events = new Map<GatewayId, Set<EventStream>>()

  /** As the table has it now: settings change while a link lives. */
  async function configurationOf(id: GatewayId): Promise<GatewayConfiguration> {
    const gateway = (await gateways.list()).find((one) => one.id === id)
    if (gateway === undefined) throw new Error(`there is no gateway ${id} any more`)
    return {
      gatewayId: id,
      siteId: identity.siteId,
      name: gateway.name,
      kind: gateway.kind,
      serveContent: gateway.serveContent,
      deviceAuthorities: identity.deviceAuthority,
      contentTokenKeys: await options.contentTokenKeys(),
      revokedCertificates: await options.revokedCertificates(),
      distributionPoints: await options.distributionPoints(),
      unlinkedContentMs: options.unlinkedContentMs ?? UNLINKED_CONTENT_MS,
    }
  }

  function listen(gateway: Gateway, call: LinkCall): void {
    const stream = openEventStream(
      call.stream,
      () => configurationOf(gateway.id),
      (error) => {
        log.error('events failed', { gatewayId: gateway.id, error })
        call.stream.close()
      },
    )
    const streams = events.get(gateway.id) ?? new Set()
    events.set(gateway.id, streams.add(stream))
    call.stream.once('close', () => streams.delete(stream))
    gateways.recordLink(gateway.id, { state: 'up', since: timestamp(clock.now()) }) // 2
    log.info('link up', { gatewayId: gateway.id })
  }

  /** @returns why it ended, and how long it lived in milliseconds */
  async function connectOnce(
    gateway: Gateway,
    kind: LinkKind,
    figures: ConnectionFigures,
    signal: AbortSignal,
  ): Promise<{ why: Problem; livedMs: number }> {
    if (kind === 'control' && gateway.awaitsJoin) await tryJoin(gateway, signal)
    figures.dialled()
    const socket = await dial(gateway, protocols[kind], gatewayUri(identity.siteId, gateway.id), signal)
    if (!socket.ok) return { why: socket.problem, livedMs: 0 }
    const shown = socket.value.getPeerX509Certificate()
    if (shown !== undefined) gateways.recordCertificate(gateway.id, shown.validToDate.getTime())
    const since = performance.now()
    let listening = false
    const answer = linkRoutes({
      gateway,
      instance,
      devicePlane: options.devicePlane,
      content: options.content,
      renew: gateways.renew,
      recordTraffic: gateways.recordTraffic,
      onEvents(call) {
        if (listening) fail('CONFLICT', 'The events of this connection are listened to already.')
        listening = true
        listen(gateway, call)
      },
      log,
    })
    const session = createLinkSession(socket.value, (call) => {
      figures.asked()
      answer(kind, call)
    })
    figures.opened(socket.value, session)
    const end = () => session.destroy('the site ends')
    signal.addEventListener('abort', end)
    if (signal.aborted) end()
    const why = await session.closed
    signal.removeEventListener('abort', end)
    figures.closed()
    return { why: problem('UNREACHABLE', `${gateway.linkAddress}: ${why}`), livedMs: performance.now() - since }
  }

  async function dial(gateway: Gateway, protocol: string, uri: string, signal: AbortSignal) {
    return await dialGateway({
      address: gateway.linkAddress,
      protocol,
      credentials: await identity.connectorCredentials(),
      gatewayAuthority: identity.gatewayAuthority,
      gatewayUri: uri,
      proxy: await options.proxy?.(),
      signal,
    })
  }

  /** Whoever listens there may be the gateway that joins, or the one that is still in its place. */
  async function tryJoin(gateway: Gateway, signal: AbortSignal): Promise<void> {
    const socket = await dial(gateway, LINK_JOIN, 'unproved', signal)
    if (socket.ok) await letJoin(socket.value, gateway.id, gateways.join, log)
  }

  async function keepConnected(
    id: GatewayId,
    kind: LinkKind,
    figures: ConnectionFigures,
    signal: AbortSignal,
  ): Promise<void> {
    let failures = 0
    while (!signal.aborted) {
      const { why, livedMs } = await findAndConnect(id, kind, figures, signal)
      if (kind === 'control') gateways.recordLink(id, { state: 'down', since: timestamp(clock.now()), problem: why })
      if (signal.aborted) return
      failures = livedMs >= SETTLED_MS ? 0 : failures + 1
      log.warn('link down', { gatewayId: id, connection: kind, reason: why.detail, failures })
      await pause(delayMs(failures), signal)
    }
  }

  /** The address is looked up each time: it may have been changed (1). */
  async function findAndConnect(
    id: GatewayId,
    kind: LinkKind,
    figures: ConnectionFigures,
    signal: AbortSignal,
  ): Promise<{ why: Problem; livedMs: number }> {
    try {
      const gateway = (await gateways.list()).find((one) => one.id === id)
      if (gateway !== undefined) return await connectOnce(gateway, kind, figures, signal)
      return { why: problem('NOT_FOUND', `There is no gateway ${id}.`), livedMs: 0 }
    } catch (error) {
      return { why: problemOf(error, log, 'connector'), livedMs: 0 }
    }
  }

  /** Dials those that are new, and leaves those that were removed or are elsewhere now. */
  async function dialNew(): Promise<void> {
    const all = await gateways.list()
    const leaving = new Map<GatewayId, Promise<unknown>>()
    for (const [id, { address, stop, done }] of dialled)
      if (!all.some((gateway) => gateway.id === id && gateway.linkAddress === address)) {
        dialled.delete(id)
        leaving.set(id, done)
        stop.abort()
      }
    for (const { id, linkAddress } of all) {
      if (dialled.has(id) || stopped.signal.aborted) continue
      const stop = new AbortController()
      const signal = AbortSignal.any([stopped.signal, stop.signal])
      const figures = (['control', 'bulk'] as const).map((kind) => ({ kind, of: createConnectionFigures(kind, clock) }))
      gateways.recordConnections(id, () => figures.map((each) => each.of.read()))
      const start = () => Promise.all(figures.map(({ kind, of }) => keepConnected(id, kind, of, signal)))
      const done = leaving.get(id)?.then(start) ?? start()
      dialled.set(id, { address: linkAddress, stop, done })
    }
  }

  const streamsOf = (id: GatewayId | undefined): EventStream[] =>
    id === undefined ? [...events.values()].flatMap((streams) => [...streams]) : [...(events.get(id) ?? [])]

  return {
    async start() {
      const look = () => dialNew().catch((error: unknown) => log.error('connector failed', { error }))
      gateways.onChange((id) => {
        for (const stream of streamsOf(id)) stream.check()
        void look()
      })
      await dialNew()
      // 4. What this process changed it hears at once; what another one did, with the next beat.
      const beat = setInterval(look, linkBounds.aliveIntervalMs)
      stopped.signal.addEventListener('abort', () => clearInterval(beat))
    },
    certificatesRevoked() {
      for (const stream of streamsOf(undefined)) stream.check()
    },
    configurationChanged() {
      for (const stream of streamsOf(undefined)) stream.check()
    },
    contentsChanged(gatewayId) {
      for (const stream of streamsOf(gatewayId)) stream.contentsChanged()
    },
    sync(devices, besides = []) {
      if (devices?.length === 0) return []
      const named = devices !== undefined && devices.length > linkBounds.syncDevices ? undefined : devices
      const told = [...events].filter(([id, streams]) => streams.size > 0 && !besides.includes(id))
      for (const [, streams] of told) for (const stream of streams) stream.sync(named)
      return told.map(([id]) => id)
    },
    async stop() {
      stopped.abort()
      await Promise.all([...dialled.values()].map(({ done }) => done))
    },
  }
}

/** Exponential with jitter, so that many sites do not dial in step. */
const delayMs = (failures: number): number => {
  const longest = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** failures)
  return longest / 2 + (Math.random() * longest) / 2
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}
