/** Puts a gateway together. Nothing runs before `start()`. */
import { join } from 'node:path'
import { createSmallPages, type FileStore, openFolderStore } from '@sluice/content'
import {
  type DeviceRouteId,
  deviceRoutes,
  failed,
  type LinkEvent,
  ok,
  PAGE_WITH_ADDRESS_BYTES,
  PAGES_OF_ANSWER_BYTES,
  type Result,
} from '@sluice/protocol'
import { createBuffers } from './content/buffers.ts'
import { createCloudPoints } from './content/cloud-points.ts'
import { createContentReports } from './content/content-reports.ts'
import { type ObjectKey, objectKey, openContents } from './content/contents.ts'
import { createKeeper } from './content/keeper.ts'
import { createPuller } from './content/puller.ts'
import { relayObject } from './content/relay-object.ts'
import { serveObject } from './content/serve.ts'
import { createTraffic } from './content/traffic.ts'
import { openUrlSigner } from './content/url-signature.ts'
import { contentUrls } from './content/urls.ts'
import { openDataFolder } from './data/data-folder.ts'
import { keepOwnCertificate } from './data/own-certificate.ts'
import { sendJson } from './device-plane/answer.ts'
import { createBodyReader } from './device-plane/body.ts'
import {
  bindRoutes,
  createDispatch,
  createRates,
  type ListenerKind,
  type RouteHandler,
} from './device-plane/dispatch.ts'
import { createRelay } from './device-plane/relay.ts'
import { createLink } from './link/link.ts'
import { createLinkListener } from './link/listener.ts'
import type { Log } from './log.ts'
import { createManagement } from './management.ts'
import { createMetrics } from './metrics.ts'
import { createNotices } from './notices.ts'
import type { GatewayConfig, ListenAddress, TlsMaterial } from './settings/config.ts'
import { openSiteConfiguration, type SiteConfiguration } from './settings/site-configuration.ts'
import { createAddressCap } from './tls/address-cap.ts'
import { createHttpsListener, type HttpsListener } from './tls/https-listener.ts'
import { type ListenerBounds, listenerBounds } from './tls/listener-bounds.ts'
import { type ServerCertificate, watchCertificate } from './tls/server-certificate.ts'
import { createSharedListener } from './tls/shared-listener.ts'
import { openShownCertificate } from './tls/shown-certificate.ts'

/** Ports that the gateway listens on. */
export interface GatewayPorts {
  enrolment: number
  device: number
  link: number
  management?: number
}

export interface Gateway {
  ports: GatewayPorts
  /** Takes no new connection, lets requests end for `drainMs`, reports its traffic, and ends. */
  stop(): Promise<void>
}

/** Small ones that come with addresses, held in memory: devices of one deployment ask for the same ones. */
const KEPT_PAGES = 128

export interface GatewayOptions {
  config: GatewayConfig
  tls: TlsMaterial
  /** Paths of the PEM files of `tls`, to read them again when they change. */
  certificateFiles?: ServerCertificate
  log: Log
  /** Milliseconds since 1970. */
  now?: () => number
  /** Life of the addresses that it signs, in milliseconds, where it is not the usual one. */
  urlLifeMs?: number
  /** Other than the usual ones. */
  bounds?: Partial<ListenerBounds>
}

/**
 * Opens the data folder and listens.
 * @returns `DATA_FOLDER_IN_USE`, `DATA_TOO_NEW`, `NO_SPACE`, `PORT_TAKEN` or `CONFIGURATION_INVALID`
 * @throws when a route of the table has nobody to answer it
 */
export async function createGateway(options: GatewayOptions): Promise<Result<Gateway>> {
  const { config, tls, log, now = Date.now } = options
  const bounds = { ...listenerBounds, ...options.bounds }
  const folder = await openDataFolder(config.dataFolder)
  if (!folder.ok) return folder
  const { path, release } = folder.value

  const link = createLink({ log, onEvent: (event) => takeEvent(event), onChange: (up) => linkChanged(up) })
  const siteConfiguration: SiteConfiguration = await openSiteConfiguration({
    folder: path,
    gatewayId: config.gatewayId,
    siteId: config.siteId,
    now,
    log,
  })
  const store = await openFolderStore(join(path, 'objects'))
  const contents = await openContents(join(path, 'contents'), await objectsIn(store), log)
  const puller = createPuller({
    link,
    store,
    pulls: config.limits.pulls,
    isWanted: contents.isReferenced,
    onArrived: (key) => contents.setPresent(key, true),
    log,
  })
  const keeper = createKeeper({
    link,
    store,
    contents,
    puller,
    unreferencedGraceMs: config.unreferencedGraceMs,
    now,
    log,
  })
  const reports = createContentReports(link, contents, puller.failures)
  const traffic = createTraffic(link, now)
  const signer = await openUrlSigner(path)
  const relay = createRelay(link, config.limits)
  const notices = createNotices(config.limits.listeningDevices)

  const metrics = createMetrics(
    {
      connections: () => ({ enrolment: listeners.enrolment.connections(), device: listeners.device.connections() }),
      links: link.connections,
      listeningDevices: notices.count,
      servedBytes: () => ({ pack: traffic.current().packBytes, page: traffic.current().pageBytes }),
      certificateEnd: () => certificate.end() / 1000,
      acmeFailures: () => shown?.failures() ?? 0,
    },
    { ofProcess: config.management !== undefined },
  )
  const cloudPoints = createCloudPoints(siteConfiguration)
  const served = serveObject({
    siteConfiguration,
    store,
    signer,
    buffers: createBuffers(config.limits),
    traffic,
    now,
  })
  const relayed = relayObject({ siteConfiguration, cloudPoints, signer, limits: config.limits, traffic, now })

  const handlers = bindRoutes({
    ...relayedRoutes(relay),
    notify: notices.handler,
    health: async ({ response }) => sendJson(response, 200, { ok: true }),
    contentUrls: contentUrls({
      ...{ siteConfiguration, contents, cloudPoints, signer, traffic, now, lifeMs: options.urlLifeMs },
      pages: createSmallPages(store, {
        pageBytes: PAGE_WITH_ADDRESS_BYTES,
        answerBytes: PAGES_OF_ANSWER_BYTES,
        keptPages: KEPT_PAGES,
      }),
    }),
    object: (request) => (request.query.has('point') ? relayed(request) : served(request)),
  })
  const bodies = createBodyReader(config.limits.bodyBytes, bounds)
  const rates = createRates(config.limits.rates)
  const { identityIntervalMs } = bounds
  const dispatchOf = (listener: ListenerKind) =>
    createDispatch({
      listener,
      handlers,
      siteConfiguration,
      bodies,
      rates,
      observe: (route, status, seconds) => metrics.observe(listener, route, status, seconds),
      identityIntervalMs,
      now,
      log,
    })
  const dispatches = { enrolment: dispatchOf('enrolment'), device: dispatchOf('device') }
  const addressCap = createAddressCap(config.limits)
  const opened = await openShownCertificate({
    settings: config.serverCertificate,
    ofSite: { certificate: tls.certificate, key: tls.key },
    dataFolder: path,
    now,
    log,
    onChange(next) {
      for (const listener of [listeners.enrolment, listeners.device]) listener.setCertificate(next)
    },
  })
  if (!opened.ok) {
    await release()
    return opened
  }
  const shown = opened.value
  const httpsListener = (listener: ListenerKind) =>
    createHttpsListener({
      ...(shown?.first ?? { certificate: tls.certificate, key: tls.key }),
      wantsCertificate: listener === 'device',
      limits: config.limits,
      addressCap,
      bounds,
      onRequest: dispatches[listener].answer,
    })
  const listeners = { enrolment: httpsListener('enrolment'), device: httpsListener('device') }
  const linkListener = createLinkListener({ tls, siteId: config.siteId, link, log })
  const shared = createSharedListener({
    doors: { enrolment: listeners.enrolment.accept, device: listeners.device.accept, link: linkListener.accept },
    addressCap,
    connections: config.limits.connections,
    handshakeTimeoutMs: bounds.handshakeTimeoutMs,
  })
  const own =
    options.certificateFiles === undefined
      ? undefined
      : keepOwnCertificate({ files: options.certificateFiles, name: config.gatewayId, link, now, log })
  const certificate = watchCertificate({
    first: { certificate: tls.certificate, key: tls.key },
    files: options.certificateFiles,
    now,
    log,
    onChange(next) {
      linkListener.setCertificate(next)
      if (shown === undefined)
        for (const listener of [listeners.enrolment, listeners.device]) listener.setCertificate(next)
      // So that the site sees the new one, and would tell if it were wrong.
      link.redial('the certificate was replaced')
    },
  })
  siteConfiguration.watch({
    onRevoked: (certificates) => listeners.device.cut(certificates),
    onReplaced: ({ deviceAuthorities }) => listeners.device.setAuthorities(deviceAuthorities),
  })

  function takeEvent(event: LinkEvent): string | undefined {
    siteConfiguration.heard()
    switch (event.kind) {
      case 'configuration':
        return siteConfiguration.replace(event.configuration)
      case 'revoked':
        siteConfiguration.revoke(event.certificates)
        return undefined
      case 'contentsChanged':
        keeper.refresh()
        return undefined
      case 'sync':
        notices.sync(event.devices)
        return undefined
      case 'alive':
        return undefined
    }
  }

  function linkChanged(up: boolean): void {
    siteConfiguration.linkChanged(up)
    if (!up) return
    reports.forget()
    keeper.refresh()
    void own?.look()
    // Whatever the site wanted to say meanwhile is lost.
    notices.sync()
  }

  let ending = false
  const management = createManagement(metrics, () => {
    if (ending) return 'ending'
    return siteConfiguration.current() === undefined ? 'the site was not heard of yet' : undefined
  })

  async function stop(): Promise<void> {
    ending = true
    notices.stop()
    await certificate.stop()
    own?.stop()
    await shown?.stop()
    shared.close()
    await Promise.all([listeners.enrolment.close(config.drainMs), listeners.device.close(config.drainMs)])
    for (const dispatch of Object.values(dispatches)) dispatch.stop()
    bodies.stop()
    await traffic.report()
    traffic.stop()
    reports.stop()
    await Promise.all([puller.stop(), linkListener.close()])
    await keeper.stop()
    await siteConfiguration.flush()
    await management.close()
    await release()
  }

  const known = siteConfiguration.current()
  if (known !== undefined) listeners.device.setAuthorities(known.deviceAuthorities)
  if (config.scanAtStart) log.info('content.scanned', { corrupt: await keeper.scan() })

  const ports = { enrolment: 0, device: 0, link: 0 }
  const at = config.listeners
  const doors: (readonly [string, { listen: HttpsListener['listen'] }, ListenAddress | undefined])[] = [
    ...('shared' in at
      ? [['shared', shared, at.shared] as const]
      : ([
          ['enrolment', listeners.enrolment, at.enrolment],
          ['device', listeners.device, at.device],
          ['link', linkListener, at.link],
        ] as const)),
    ['management', management, config.management],
  ]
  for (const [name, listener, address] of doors) {
    if (address === undefined) continue
    const port = await listener.listen(address)
    if (!port.ok) {
      await stop()
      return failed(port.problem)
    }
    if (name === 'shared') Object.assign(ports, { enrolment: port.value, device: port.value, link: port.value })
    else Object.assign(ports, { [name]: port.value })
  }
  void certificate.look()
  shown?.start()
  return ok({ ports, stop })
}

async function objectsIn(store: FileStore): Promise<ObjectKey[]> {
  const keys: ObjectKey[] = []
  for (const kind of ['page', 'pack'] as const)
    for await (const object of store.list(kind)) keys.push(objectKey(object))
  return keys
}

function relayedRoutes(relay: (id: DeviceRouteId) => RouteHandler): Record<string, RouteHandler> {
  const answeredBySite = (Object.keys(deviceRoutes) as DeviceRouteId[]).filter(
    (id) => deviceRoutes[id].answeredBy === 'site',
  )
  return Object.fromEntries(answeredBySite.map((id) => [id, relay(id)]))
}
