/**
 * Who gets what at each door, as it must be. The test beside it walks the tables of routes that the
 * processes are built from; a route that has no row here, and a row that has no route, fails.
 *
 * `in`: a good answer. Everything else is a problem code. A code that is not about identity, such as
 * `BAD_REQUEST` or `NOT_FOUND`, means that the caller was let in and the question had no answer.
 */
import type { AdminRouteId, centerPaths, DeviceRouteId } from '@sluice/protocol'
import type { Bearer, TlsCaller } from './testing/callers.ts'

type Row = Record<TlsCaller, string>

const everybody = (word: string): Row => ({
  nobody: word,
  selfMade: word,
  otherAuthority: word,
  gateway: word,
  connector: word,
  pending: word,
  neverIssued: word,
  expired: word,
  longExpired: word,
  revoked: word,
  device: word,
})

/**
 * A route for devices with a valid certificate.
 * @param unknown to one whose certificate is of the authority, but not of the site's making
 * @param device to the device itself
 */
const devices = (unknown: string, device: string): Row => ({
  ...everybody('NOT_AUTHENTICATED'),
  pending: unknown,
  neverIssued: unknown,
  expired: 'CERTIFICATE_EXPIRED',
  longExpired: 'CERTIFICATE_EXPIRED',
  revoked: 'CERTIFICATE_REVOKED',
  device,
})

export const deviceMatrix: Record<DeviceRouteId, Row> = {
  health: devices('NOT_FOUND', 'NOT_FOUND'),
  enrol: devices('NOT_FOUND', 'NOT_FOUND'),
  // One that expired may come; this one was not made by the site. The device itself asked for another key.
  renew: { ...devices('DEVICE_UNKNOWN', 'CONFLICT'), expired: 'DEVICE_UNKNOWN' },
  policy: devices('DEVICE_UNKNOWN', 'in'),
  // The gateway knows the authority, not the devices; all that is heard here is *ask for policy*.
  notify: devices('in', 'in'),
  catalogueMetadata: devices('DEVICE_UNKNOWN', 'in'),
  catalogueTarget: devices('DEVICE_UNKNOWN', 'NOT_FOUND'),
  // Each content is refused by itself in the answer; the test looks at it.
  contentToken: devices('DEVICE_UNKNOWN', 'in'),
  // These two need what only the site gives out: a content token, a signed address.
  contentUrls: devices('BAD_REQUEST', 'BAD_REQUEST'),
  object: devices('SIGNED_URL_REFUSED', 'SIGNED_URL_REFUSED'),
  status: devices('DEVICE_UNKNOWN', 'in'),
}

/** No certificate is asked for here, and none helps. */
export const enrolmentMatrix: Record<DeviceRouteId, Row> = {
  health: everybody('in'),
  enrol: everybody('BAD_REQUEST'),
  renew: everybody('NOT_FOUND'),
  policy: everybody('NOT_FOUND'),
  notify: everybody('NOT_FOUND'),
  catalogueMetadata: everybody('NOT_FOUND'),
  catalogueTarget: everybody('NOT_FOUND'),
  contentToken: everybody('NOT_FOUND'),
  contentUrls: everybody('NOT_FOUND'),
  object: everybody('NOT_FOUND'),
  status: everybody('NOT_FOUND'),
}

export const linkMatrix: Row = { ...everybody('cut'), connector: 'in' }

/** The certificate of a device comes along each time, and opens nothing. */
const administrators = (word: string): Record<Bearer, string> => ({
  nobody: 'NOT_AUTHENTICATED',
  wrongToken: 'NOT_AUTHENTICATED',
  enrolmentToken: 'NOT_AUTHENTICATED',
  administrator: word,
})

export const adminMatrix: Record<AdminRouteId, Record<Bearer, string>> = {
  site: administrators('in'),
  clientSettings: administrators('in'),
  setClientSettings: administrators('BAD_REQUEST'),
  packages: administrators('in'),
  package: administrators('NOT_FOUND'),
  importPackage: administrators('BAD_REQUEST'),
  updatePackage: administrators('BAD_REQUEST'),
  distributePackage: administrators('BAD_REQUEST'),
  distributeSequence: administrators('BAD_REQUEST'),
  job: administrators('NOT_FOUND'),
  sequences: administrators('in'),
  applySequence: administrators('BAD_REQUEST'),
  collections: administrators('in'),
  createCollection: administrators('BAD_REQUEST'),
  setCollectionMembers: administrators('BAD_REQUEST'),
  deployments: administrators('in'),
  deployment: administrators('NOT_FOUND'),
  createDeployment: administrators('BAD_REQUEST'),
  changeDeployment: administrators('BAD_REQUEST'),
  cancelRun: administrators('BAD_REQUEST'),
  deleteDeployment: administrators('NOT_FOUND'),
  devices: administrators('in'),
  device: administrators('NOT_FOUND'),
  approveDevice: administrators('BAD_REQUEST'),
  deleteDevice: administrators('NOT_FOUND'),
  syncDevice: administrators('NOT_FOUND'),
  revokeDevice: administrators('NOT_FOUND'),
  createDeviceToken: administrators('BAD_REQUEST'),
  deviceTokens: administrators('in'),
  blockDeviceToken: administrators('NOT_FOUND'),
  enrolmentBundle: administrators('in'),
  gateways: administrators('in'),
  createGateway: administrators('BAD_REQUEST'),
  changeGateway: administrators('BAD_REQUEST'),
  renewGateway: administrators('BAD_REQUEST'),
  status: administrators('in'),
}

export type Visitor = 'nobody' | 'wrongToken' | 'otherOrigin' | 'otherSite' | 'otherHost' | 'user'

const users = (word: string): Record<Visitor, string> => ({
  nobody: 'SESSION_REFUSED',
  wrongToken: 'SESSION_REFUSED',
  otherOrigin: 'SESSION_REFUSED',
  otherSite: 'SESSION_REFUSED',
  otherHost: 'SESSION_REFUSED',
  user: word,
})

export const centerMatrix: Record<keyof typeof centerPaths, Record<Visitor, string>> = {
  state: users('in'),
  events: users('in'),
  install: users('NOT_FOUND'),
  syncPolicy: users('in'),
}
