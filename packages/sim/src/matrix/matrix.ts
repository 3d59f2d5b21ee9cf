/**
 * Who gets what at each door, as it must be. The test beside it walks the tables of routes that the
 * processes are built from; a route that has no row here, and a row that has no route, fails.
 *
 * `in`: a good answer. Everything else is a problem code. A code that is not about identity, such as
 * `BAD_REQUEST` or `NOT_FOUND`, means that the caller was let in and the question had no answer.
 */

import type { ManagementRouteId } from '@sluice/gateway'
import type { AdminRouteId, centerPaths, DeviceRouteId, RoleName } from '@sluice/protocol'
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
  signIn: devices('NOT_FOUND', 'NOT_FOUND'),
  // One that expired may come; this one was not made by the site. The device itself asked for another key.
  renew: { ...devices('DEVICE_UNKNOWN', 'KEY_OF_ANOTHER_DEVICE'), expired: 'DEVICE_UNKNOWN' },
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
  // The deployment that it asks for is not its own.
  secret: devices('DEVICE_UNKNOWN', 'SECRET_REFUSED'),
  status: devices('DEVICE_UNKNOWN', 'in'),
}

/** No certificate is asked for here, and none helps. */
export const enrolmentMatrix: Record<DeviceRouteId, Row> = {
  health: everybody('in'),
  enrol: everybody('BAD_REQUEST'),
  // Off as long as nobody sets it.
  signIn: everybody('DEVICE_SIGN_IN_REFUSED'),
  renew: everybody('NOT_FOUND'),
  policy: everybody('NOT_FOUND'),
  notify: everybody('NOT_FOUND'),
  catalogueMetadata: everybody('NOT_FOUND'),
  catalogueTarget: everybody('NOT_FOUND'),
  contentToken: everybody('NOT_FOUND'),
  contentUrls: everybody('NOT_FOUND'),
  object: everybody('NOT_FOUND'),
  secret: everybody('NOT_FOUND'),
  status: everybody('NOT_FOUND'),
}

export const linkMatrix: Row = { ...everybody('cut'), connector: 'in' }

/** Roles that may read everything but what concerns administration itself: all of them. */
const all: readonly RoleName[] = [
  'fullAdministrator',
  'operationsAdministrator',
  'infrastructureAdministrator',
  'osDeploymentManager',
  'applicationAdministrator',
  'applicationDeploymentManager',
  'securityAdministrator',
  'remoteToolsOperator',
  'readOnlyAnalyst',
]
const infrastructure: readonly RoleName[] = [
  'fullAdministrator',
  'operationsAdministrator',
  'infrastructureAdministrator',
]
const osd: readonly RoleName[] = ['fullAdministrator', 'operationsAdministrator', 'osDeploymentManager']
const applications: readonly RoleName[] = [...osd, 'applicationAdministrator']
const deployers: readonly RoleName[] = [...applications, 'applicationDeploymentManager']
const distributors: readonly RoleName[] = [...deployers, 'infrastructureAdministrator']
const operators: readonly RoleName[] = [...osd, 'remoteToolsOperator']
const admitters: readonly RoleName[] = ['fullAdministrator', 'operationsAdministrator', 'securityAdministrator']
const auditors: readonly RoleName[] = [...admitters, 'readOnlyAnalyst']
const releasers: readonly RoleName[] = ['fullAdministrator', 'operationsAdministrator']
const security: readonly RoleName[] = ['fullAdministrator', 'securityAdministrator']

/**
 * The certificate of a device comes along each time, and opens nothing.
 * @param word to those who may @param scoped to a full administrator whose scope is one empty collection
 */
function administrators(word: string, who: readonly RoleName[] = all, scoped = word): Record<Bearer, string> {
  const role = (name: RoleName) => (who.includes(name) ? word : 'FORBIDDEN')
  return {
    nobody: 'NOT_AUTHENTICATED',
    wrongToken: 'NOT_AUTHENTICATED',
    enrolmentToken: 'NOT_AUTHENTICATED',
    revokedToken: 'NOT_AUTHENTICATED',
    endedSession: 'NOT_AUTHENTICATED',
    sessionOfOtherPage: 'NOT_AUTHENTICATED',
    sessionWithoutHeader: 'NOT_AUTHENTICATED',
    dataFolder: word,
    session: word,
    scoped,
    fullAdministrator: role('fullAdministrator'),
    operationsAdministrator: role('operationsAdministrator'),
    infrastructureAdministrator: role('infrastructureAdministrator'),
    osDeploymentManager: role('osDeploymentManager'),
    applicationAdministrator: role('applicationAdministrator'),
    applicationDeploymentManager: role('applicationDeploymentManager'),
    securityAdministrator: role('securityAdministrator'),
    remoteToolsOperator: role('remoteToolsOperator'),
    readOnlyAnalyst: role('readOnlyAnalyst'),
  }
}
/** What concerns the whole site is beyond every scope. */
const siteWide = (word: string, who: readonly RoleName[]) => administrators(word, who, 'FORBIDDEN')

/** What belongs to a person: no token has an account. */
const persons = (word: string) => ({ ...administrators('FORBIDDEN'), session: word })

export const adminMatrix: Record<AdminRouteId, Record<Bearer, string>> = {
  site: administrators('in'),
  clientSettings: administrators('in'),
  setClientSettings: siteWide('BAD_REQUEST', infrastructure),
  catalogue: administrators('in'),
  catalogueFile: administrators('NOT_FOUND'),
  releases: administrators('in'),
  releaseBytes: administrators('NOT_FOUND'),
  publishCatalogue: siteWide('BAD_REQUEST', releasers),
  rotateKey: siteWide('NOT_FOUND', releasers),
  packages: administrators('in'),
  package: administrators('NOT_FOUND'),
  importPackage: siteWide('BAD_REQUEST', applications),
  updatePackage: siteWide('BAD_REQUEST', applications),
  packageOptions: administrators('NOT_FOUND'),
  setPackageOptions: siteWide('BAD_REQUEST', applications),
  setPackageLabels: siteWide('BAD_REQUEST', applications),
  diffPackage: administrators('BAD_REQUEST'),
  packageCosts: siteWide('BAD_REQUEST', all),
  deletePackage: siteWide('BAD_REQUEST', applications),
  collectContent: siteWide('in', applications),
  distributePackage: siteWide('BAD_REQUEST', distributors),
  distributeSequence: siteWide('BAD_REQUEST', distributors),
  removeDistribution: siteWide('BAD_REQUEST', distributors),
  cancelDistribution: siteWide('BAD_REQUEST', distributors),
  validateDistribution: siteWide('BAD_REQUEST', distributors),
  pointGroups: administrators('in'),
  createPointGroup: siteWide('BAD_REQUEST', infrastructure),
  setPointGroupMembers: siteWide('BAD_REQUEST', infrastructure),
  deletePointGroup: siteWide('NOT_FOUND', infrastructure),
  distributionPoints: administrators('in'),
  createDistributionPoint: siteWide('BAD_REQUEST', infrastructure),
  replacePointCredentials: siteWide('BAD_REQUEST', infrastructure),
  deleteDistributionPoint: siteWide('NOT_FOUND', infrastructure),
  setLinkProxyCredentials: siteWide('BAD_REQUEST', infrastructure),
  forgetLinkProxyCredentials: siteWide('in', infrastructure),
  job: administrators('NOT_FOUND'),
  sequences: administrators('in'),
  sequenceDocument: administrators('NOT_FOUND'),
  applySequence: siteWide('BAD_REQUEST', osd),
  refreshSequence: siteWide('BAD_REQUEST', osd),
  collections: administrators('in'),
  createCollection: siteWide('BAD_REQUEST', applications),
  setCollectionMembers: administrators('BAD_REQUEST', applications),
  collectionVariables: administrators('NOT_FOUND'),
  setCollectionVariable: administrators('BAD_REQUEST', applications),
  removeCollectionVariable: administrators('BAD_REQUEST', applications),
  setVariablePriority: administrators('BAD_REQUEST', applications),
  deviceVariables: administrators('NOT_FOUND'),
  setDeviceVariable: administrators('BAD_REQUEST', applications),
  removeDeviceVariable: administrators('BAD_REQUEST', applications),
  deployments: administrators('in'),
  deployment: administrators('NOT_FOUND'),
  deploymentDevices: administrators('NOT_FOUND'),
  createDeployment: administrators('BAD_REQUEST', deployers),
  changeDeployment: administrators('BAD_REQUEST', deployers),
  approveDeployment: administrators('BAD_REQUEST', [...osd, 'securityAdministrator']),
  approvalRule: administrators('in'),
  setApprovalRule: siteWide('BAD_REQUEST', security),
  cancelRun: administrators('BAD_REQUEST', operators),
  pauseRun: administrators('BAD_REQUEST', operators),
  debugSession: administrators('NOT_FOUND', osd),
  debugRun: administrators('BAD_REQUEST', osd),
  deleteDeployment: administrators('NOT_FOUND', deployers),
  devices: administrators('in'),
  device: administrators('NOT_FOUND'),
  approveDevice: administrators('BAD_REQUEST', admitters),
  deleteDevice: administrators('NOT_FOUND', admitters),
  syncDevice: administrators('NOT_FOUND', operators),
  revokeDevice: administrators('NOT_FOUND', admitters),
  createDeviceToken: siteWide('BAD_REQUEST', admitters),
  deviceTokens: siteWide('in', admitters),
  blockDeviceToken: siteWide('NOT_FOUND', admitters),
  enrolmentBundle: siteWide('in', admitters),
  gateways: administrators('in'),
  alarms: administrators('in'),
  createGateway: siteWide('BAD_REQUEST', infrastructure),
  changeGateway: siteWide('BAD_REQUEST', infrastructure),
  createJoinCode: siteWide('NOT_FOUND', infrastructure),
  deleteGateway: siteWide('NOT_FOUND', infrastructure),
  organisationAuthorities: siteWide('in', admitters),
  addOrganisationAuthority: siteWide('BAD_REQUEST', admitters),
  removeOrganisationAuthority: siteWide('NOT_FOUND', admitters),
  setOrganisationCrl: siteWide('BAD_REQUEST', admitters),
  organisationSettings: siteWide('in', admitters),
  setOrganisationSettings: siteWide('BAD_REQUEST', admitters),
  deviceConflicts: siteWide('in', admitters),
  resolveDeviceConflict: siteWide('BAD_REQUEST', admitters),
  conflictRule: siteWide('in', admitters),
  setConflictRule: siteWide('BAD_REQUEST', admitters),
  enrolmentSignIn: siteWide('in', admitters),
  setEnrolmentSignIn: siteWide('BAD_REQUEST', admitters),
  secrets: siteWide('in', [...osd, 'securityAdministrator', 'readOnlyAnalyst']),
  setSecret: siteWide('BAD_REQUEST', [...osd, 'securityAdministrator']),
  deleteSecret: siteWide('NOT_FOUND', [...osd, 'securityAdministrator']),
  status: administrators('in'),

  me: administrators('in'),
  apiTokens: siteWide('in', auditors),
  createApiToken: siteWide('BAD_REQUEST', security),
  revokeApiToken: siteWide('NOT_FOUND', security),
  administrators: siteWide('in', auditors),
  inviteAdministrator: siteWide('BAD_REQUEST', security),
  changeAdministrator: siteWide('BAD_REQUEST', security),
  resetAdministrator: siteWide('NOT_FOUND', security),
  account: persons('in'),
  changePassword: persons('BAD_REQUEST'),
  startTotp: persons('in'),
  confirmTotp: persons('BAD_REQUEST'),
  passkeyQuestion: persons('in'),
  addPasskey: persons('BAD_REQUEST'),
  removePasskey: persons('NOT_FOUND'),
  endSession: persons('NOT_FOUND'),
  audit: siteWide('in', auditors),
  auditHead: siteWide('in', auditors),
}

export type Visitor =
  | 'nobody'
  | 'wrongToken'
  | 'otherOrigin'
  | 'otherSite'
  | 'otherHost'
  | 'administrator'
  | 'device'
  | 'user'

const users = (word: string): Record<Visitor, string> => ({
  nobody: 'SESSION_REFUSED',
  wrongToken: 'SESSION_REFUSED',
  otherOrigin: 'SESSION_REFUSED',
  otherSite: 'SESSION_REFUSED',
  otherHost: 'SESSION_REFUSED',
  administrator: 'SESSION_REFUSED',
  device: 'SESSION_REFUSED',
  user: word,
})

export const centerMatrix: Record<keyof typeof centerPaths, Record<Visitor, string>> = {
  state: users('in'),
  events: users('in'),
  install: users('NOT_FOUND'),
  pause: users('NOT_FOUND'),
  resume: users('NOT_FOUND'),
  syncPolicy: users('in'),
}

/** The listener for whoever runs a gateway: plain HTTP on loopback, and nothing but these. */
export const managementMatrix: Record<ManagementRouteId, string> = {
  live: 'in',
  // A gateway that has heard of no site.
  ready: '503',
  metrics: 'in',
}
