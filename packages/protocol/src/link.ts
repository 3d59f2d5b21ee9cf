/**
 * The link: the site dials the gateway with two TLS connections, told apart by ALPN, and then is
 * the HTTP/2 *server* on both. The gateway asks; the site answers. Requests are typed: a relay
 * names a route of `deviceRoutes`, never an address.
 */
import { z } from 'zod'
import { GatewayPoint, MAX_CLOUD_POINTS } from './distribution-point.ts'
import { CloudPointId, ContentId, DeviceId, GatewayId, PackageId, Sha256, SiteId } from './ids.ts'
import { Problem } from './problem.ts'

/** ALPN protocol names of the two connections. */
export const LINK_CONTROL = 'sluice-control/1'
export const LINK_BULK = 'sluice-bulk/1'

/**
 * Server names that nobody owns, so that one port serves all: in the first bytes of a connection they say
 * which listener of a gateway it is for. Who asks for neither is a device.
 */
export const LINK_SERVER_NAME = 'link.sluice.internal'
export const ENROLMENT_SERVER_NAME = 'enrol.sluice.internal'

/** Where the connector of the site dials: `host:port`, an IPv6 address in brackets. */
export const LinkAddress = z.string().regex(/^.{1,255}:\d{1,5}$/)

/** Paths on the link. All are asked for by the gateway. */
export const linkPaths = {
  /** POST `/link/relay/<routeId>`: body and answer as on the device plane; `sluice-caller` says who. */
  relay: '/link/relay/',
  /** POST `/link/relays/<routeId>`: several such at once, as `link-batch.ts` has it; routes that say `together`. */
  relays: '/link/relays/',
  /** GET: `LinkInstance`, on either connection. */
  instance: '/link/instance',
  /** GET: newline-separated JSON `LinkEvent`s, for ever. The first is always `configuration`. */
  events: '/link/events',
  /** GET: newline-separated JSON `GatewayContent`s: all that this gateway shall hold. */
  contents: '/link/contents',
  /** GET `/link/contents/<contentId>`: newline-separated JSON `StoredObject`s of one content. */
  contentObjects: '/link/contents/',
  /** POST `ContentReport`. */
  contentReports: '/link/content-reports',
  /** POST `JoinRequest`, on a connection of its own only. */
  join: '/link/join',
  /** POST `CertificateRenewal`. */
  certificate: '/link/certificate',
  /** POST `TrafficReport`. */
  trafficReports: '/link/traffic-reports',
  /** GET `/link/objects/<kind>/<hash>`, bulk connection only, optional single range. */
  objects: '/link/objects/',
} as const

/**
 * Bounds of the link. Windows are set explicitly: the defaults carry 320 requests/s beside a bulk
 * transfer at 40 ms (platform.md, Part C). Both ends ping; a peer that stays silent is cut off.
 */
export const linkBounds = {
  streamWindowBytes: 1024 * 1024,
  sessionWindowBytes: 16 * 1024 * 1024,
  /** Between two pings, and how long an answer to one may take. */
  pingIntervalMs: 10_000,
  pingTimeoutMs: 10_000,
  /** Between two `alive` events, and how long a stream of events may stay silent. */
  aliveIntervalMs: 15_000,
  silenceTimeoutMs: 45_000,
  /** Largest line of a stream of lines: a configuration with 1,000,000 revoked certificates. */
  lineBytes: 80 * 1024 * 1024,
  /** Devices that one `sync` event names; for more it names none, which means all. */
  syncDevices: 10_000,
  /** Largest report of a gateway. */
  reportBytes: 64 * 1024,
  /** Requests on the way at once, on either connection. */
  streams: 2_048,
} as const

/** URI in the subject alternative name of the connector's certificate. */
export const connectorUri = (siteId: SiteId): string => `urn:sluice:${siteId}:connector`

/** URI in the subject alternative name of a gateway's certificate, beside its hosts. */
export const gatewayUri = (siteId: SiteId, gatewayId: GatewayId): string => `urn:sluice:${siteId}:gateway:${gatewayId}`

/** Header of a relayed request: base64url of a JSON `Caller`. Written by the gateway only. */
export const CALLER_HEADER = 'sluice-caller'
/** Header of a relayed request: base64url of the JSON parameters of the route's path. */
export const PARAMETERS_HEADER = 'sluice-parameters'

/** Who a relayed request comes from, as the gateway proved it. */
export const Caller = z.discriminatedUnion('identity', [
  z.strictObject({ identity: z.literal('anonymous'), remoteAddress: z.string().max(64) }),
  z.strictObject({
    identity: z.literal('device'),
    deviceId: DeviceId,
    /** SHA-256 of the certificate's DER bytes. */
    certificate: Sha256,
    expired: z.boolean(),
    remoteAddress: z.string().max(64),
  }),
])
export type Caller = z.infer<typeof Caller>

/** What a gateway must know to admit and to serve. Public keys only. */
export const GatewayConfiguration = z.object({
  gatewayId: GatewayId,
  siteId: SiteId,
  name: z.string().max(255),
  kind: z.enum(['internet', 'internal']),
  /** Allow CMG to function as a cloud distribution point and serve content from Azure storage. */
  serveContent: z.boolean(),
  /** PEM of the authorities whose device certificates are admitted. */
  deviceAuthorities: z.string().max(100_000),
  /** Raw Ed25519 public keys (standard base64) that may sign content tokens, by key id. */
  contentTokenKeys: z.record(z.string().max(128), z.base64()),
  /** SHA-256 of revoked device certificates that have not yet expired. */
  revokedCertificates: z.array(Sha256).max(1_000_000),
  /** How long content is served without a link, in milliseconds; 4 hours by default. */
  unlinkedContentMs: z.int().nonnegative(),
  /** Cloud distribution points, with credentials that read and nothing else. */
  distributionPoints: z.array(GatewayPoint).max(MAX_CLOUD_POINTS).default([]),
})
export type GatewayConfiguration = z.infer<typeof GatewayConfiguration>

/** Which process of the site is at the other end: a site may have several, each with its own connections. */
export const LinkInstance = z.object({ instance: z.string().min(1).max(100) })
export type LinkInstance = z.infer<typeof LinkInstance>

export const LinkEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('configuration'), configuration: GatewayConfiguration }),
  z.object({ kind: z.literal('revoked'), certificates: z.array(Sha256).min(1) }),
  /** The list at `contents` changed: read it again. */
  z.object({ kind: z.literal('contentsChanged') }),
  /** These devices, or all, shall ask for policy: tell those that listen here. */
  z.object({ kind: z.literal('sync'), devices: z.array(DeviceId).max(linkBounds.syncDevices).optional() }),
  /** Keeps the stream from looking dead; every 15 seconds. */
  z.object({ kind: z.literal('alive') }),
])
export type LinkEvent = z.infer<typeof LinkEvent>

export const GatewayContent = z.object({
  contentId: ContentId,
  packageId: PackageId,
  /** Rises when the layout of this content changes. */
  revision: z.int().positive(),
  objectCount: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  /** Whether it shall lie in this gateway's own folder. */
  own: z.boolean().default(true),
  /** Cloud distribution points where it lies whole. */
  points: z.array(CloudPointId).max(MAX_CLOUD_POINTS).default([]),
  /**
   * Order to read what is here of this content and to hash it: another number is another order. The
   * site believes no report of this content that does not name it.
   */
  verify: z.int().nonnegative().optional(),
})
export type GatewayContent = z.infer<typeof GatewayContent>

/** How far the gateway is with one content. */
export const ContentReport = z.object({
  contentId: ContentId,
  revision: z.int().positive(),
  state: z.enum(['pulling', 'present', 'failed']),
  presentBytes: z.int().nonnegative(),
  totalBytes: z.int().nonnegative(),
  problem: Problem.optional(),
  /** The last order to verify that was carried out. */
  verified: z.int().nonnegative().optional(),
})
export type ContentReport = z.infer<typeof ContentReport>

/** Bytes that a gateway served since its start, by kind and by content. */
export const TrafficReport = z.object({
  startedAt: z.iso.datetime(),
  packBytes: z.int().nonnegative(),
  pageBytes: z.int().nonnegative(),
  requests: z.int().nonnegative(),
})
export type TrafficReport = z.infer<typeof TrafficReport>
