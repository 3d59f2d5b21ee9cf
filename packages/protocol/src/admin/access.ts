/**
 * Who may call a route of the admin API: the permission that it asks for, and what a scope leaves of
 * it. A new route needs its row here; without one nothing compiles, and no site starts.
 */
import type { AdminRouteId } from '../admin.ts'
import type { Permission } from './role.ts'

/**
 * What the route is about, for an administrator whose scope is some collections:
 *
 * - `open`: nothing that a scope could hide; read it.
 * - `site`: the whole site; who has a scope may not.
 * - `device`, `deployment`, `collection`: the thing in the path must be in scope, else it is not there.
 * - `deployments`, `collections`: the answer is a list of such things, and shrinks to the scope.
 * - `newDeployment`, `members`: as above, and what the body names must be in scope too.
 * - `devices`, `status`: a page of devices, or of their messages; the handler asks for those in scope only.
 * - `account`: what belongs to a person who is signed in; a token has none.
 */
export type Reach =
  | 'open'
  | 'site'
  | 'device'
  | 'deployment'
  | 'collection'
  | 'devices'
  | 'deployments'
  | 'collections'
  | 'newDeployment'
  | 'members'
  | 'status'
  | 'account'

export interface Access {
  permission: Permission
  reach: Reach
  /**
   * A person must have signed in a short time ago: for what would keep a stolen session alive, lets others in,
   * or decides what runs. `online`: in online mode, where what is imported is released at once.
   */
  fresh?: true | 'online'
}

const access = (permission: Permission, reach: Reach): Access => ({ permission, reach })
const fresh = (permission: Permission, reach: Reach): Access => ({ permission, reach, fresh: true })
const releases = (permission: Permission, reach: Reach): Access => ({ permission, reach, fresh: 'online' })

export const adminAccess: Readonly<Record<AdminRouteId, Access>> = {
  site: access('site.read', 'open'),
  clientSettings: access('settings.read', 'open'),
  setClientSettings: access('settings.modify', 'site'),
  catalogue: access('site.read', 'open'),
  catalogueFile: access('site.read', 'open'),
  releases: access('package.read', 'open'),
  releaseBytes: access('package.read', 'open'),
  publishCatalogue: fresh('release.publish', 'site'),
  rotateKey: fresh('release.publish', 'site'),
  packages: access('package.read', 'open'),
  package: access('package.read', 'open'),
  importPackage: releases('package.modify', 'site'),
  updatePackage: releases('package.modify', 'site'),
  packageOptions: access('package.read', 'open'),
  setPackageOptions: access('package.modify', 'site'),
  setPackageLabels: access('package.modify', 'site'),
  diffPackage: access('package.read', 'open'),
  deletePackage: access('package.modify', 'site'),
  packageCosts: access('package.read', 'site'),
  collectContent: access('package.modify', 'site'),
  distributePackage: access('package.distribute', 'site'),
  distributeSequence: access('package.distribute', 'site'),
  removeDistribution: access('package.distribute', 'site'),
  cancelDistribution: access('package.distribute', 'site'),
  validateDistribution: access('package.distribute', 'site'),
  pointGroups: access('gateway.read', 'open'),
  createPointGroup: access('gateway.modify', 'site'),
  setPointGroupMembers: access('gateway.modify', 'site'),
  deletePointGroup: access('gateway.modify', 'site'),
  distributionPoints: access('gateway.read', 'open'),
  createDistributionPoint: access('gateway.modify', 'site'),
  replacePointCredentials: access('gateway.modify', 'site'),
  deleteDistributionPoint: access('gateway.modify', 'site'),
  setLinkProxyCredentials: access('gateway.modify', 'site'),
  forgetLinkProxyCredentials: access('gateway.modify', 'site'),
  job: access('package.read', 'open'),
  sequences: access('sequence.read', 'open'),
  sequenceDocument: access('sequence.read', 'open'),
  applySequence: releases('sequence.modify', 'site'),
  refreshSequence: releases('sequence.modify', 'site'),
  collections: access('collection.read', 'collections'),
  createCollection: access('collection.modify', 'site'),
  setCollectionMembers: access('collection.modify', 'members'),
  collectionVariables: access('collection.read', 'collection'),
  setCollectionVariable: access('collection.modify', 'collection'),
  removeCollectionVariable: access('collection.modify', 'collection'),
  setVariablePriority: access('collection.modify', 'collection'),
  deviceVariables: access('device.read', 'device'),
  setDeviceVariable: access('collection.modify', 'device'),
  removeDeviceVariable: access('collection.modify', 'device'),
  deployments: access('deployment.read', 'deployments'),
  deployment: access('deployment.read', 'deployment'),
  deploymentDevices: access('deployment.read', 'deployment'),
  createDeployment: access('deployment.modify', 'newDeployment'),
  changeDeployment: access('deployment.modify', 'deployment'),
  approveDeployment: fresh('deployment.approve', 'deployment'),
  approvalRule: access('settings.read', 'open'),
  setApprovalRule: fresh('administrator.modify', 'site'),
  cancelRun: access('device.control', 'deployment'),
  pauseRun: access('device.control', 'deployment'),
  debugSession: access('device.debug', 'device'),
  debugRun: access('device.debug', 'device'),
  deleteDeployment: access('deployment.modify', 'deployment'),
  devices: access('device.read', 'devices'),
  device: access('device.read', 'device'),
  approveDevice: access('device.admit', 'device'),
  deleteDevice: access('device.admit', 'device'),
  syncDevice: access('device.control', 'device'),
  revokeDevice: access('device.admit', 'device'),
  createDeviceToken: fresh('device.admit', 'site'),
  deviceTokens: access('device.admit', 'site'),
  blockDeviceToken: access('device.admit', 'site'),
  enrolmentBundle: access('device.admit', 'site'),
  gateways: access('gateway.read', 'open'),
  alarms: access('gateway.read', 'open'),
  createGateway: access('gateway.modify', 'site'),
  changeGateway: access('gateway.modify', 'site'),
  createJoinCode: access('gateway.modify', 'site'),
  deleteGateway: access('gateway.modify', 'site'),
  organisationAuthorities: access('device.admit', 'site'),
  addOrganisationAuthority: fresh('device.admit', 'site'),
  removeOrganisationAuthority: fresh('device.admit', 'site'),
  setOrganisationCrl: access('device.admit', 'site'),
  organisationSettings: access('device.admit', 'site'),
  setOrganisationSettings: fresh('device.admit', 'site'),
  deviceConflicts: access('device.admit', 'site'),
  resolveDeviceConflict: fresh('device.admit', 'site'),
  conflictRule: access('device.admit', 'site'),
  setConflictRule: fresh('device.admit', 'site'),
  enrolmentSignIn: access('device.admit', 'site'),
  setEnrolmentSignIn: fresh('device.admit', 'site'),
  secrets: access('secret.read', 'site'),
  setSecret: access('secret.modify', 'site'),
  deleteSecret: access('secret.modify', 'site'),
  status: access('status.read', 'status'),

  me: access('own', 'open'),
  apiTokens: access('administrator.read', 'site'),
  createApiToken: fresh('administrator.modify', 'site'),
  revokeApiToken: access('administrator.modify', 'site'),
  administrators: access('administrator.read', 'site'),
  inviteAdministrator: fresh('administrator.modify', 'site'),
  changeAdministrator: fresh('administrator.modify', 'site'),
  resetAdministrator: fresh('administrator.modify', 'site'),
  account: access('own', 'account'),
  changePassword: access('own', 'account'),
  startTotp: fresh('own', 'account'),
  confirmTotp: fresh('own', 'account'),
  passkeyQuestion: fresh('own', 'account'),
  addPasskey: fresh('own', 'account'),
  removePasskey: fresh('own', 'account'),
  endSession: access('own', 'account'),
  audit: access('audit.read', 'site'),
  auditHead: access('audit.read', 'site'),
}
