/** Which area of the site answers which route of the admin API. */
import {
  AdministratorId,
  type Alarm,
  ApiTokenId,
  CloudPointId,
  DeploymentId,
  DeviceId,
  fail,
  JobId,
  PackageId,
  PointGroupId,
  ProblemError,
  Sha256,
  SigningRole,
  type SiteInfo,
  TokenId,
} from '@sluice/protocol'
import { z } from 'zod'
import { type Actor, meOf, personOf } from '../administrators/actor.ts'
import type { Administration } from '../administrators/administration.ts'
import type { Person } from '../administrators/sign-in/account.ts'
import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Collections } from '../collections/collections.ts'
import type { VariableStore } from '../collections/variables.ts'
import type { LinkProxySettings } from '../connector/link-proxy.ts'
import type { ContentLibrary } from '../content/content-library.ts'
import type { createPackageLabels } from '../content/package-labels.ts'
import type { PackageOptionsStore } from '../content/package-options.ts'
import type { Debugging } from '../debugging/debugging.ts'
import type { Deployments } from '../deployments/deployments.ts'
import type { Conflicts } from '../devices/conflicts.ts'
import type { Devices } from '../devices/devices.ts'
import type { SignInSettings } from '../devices/sign-in-settings.ts'
import type { Gateways } from '../gateways/gateways.ts'
import type { Organisation } from '../identity/organisation.ts'
import { badRequest } from '../problem-document.ts'
import type { Secrets } from '../secrets/secrets.ts'
import type { Sequences } from '../sequences/sequences.ts'
import type { ClientSettingsStore } from '../settings/client-settings.ts'
import type { Status } from '../status/status.ts'
import type { AdminHandlers } from './admin-app.ts'

export interface AdminAreas {
  info(): Promise<SiteInfo>
  catalogue: Catalogue
  settings: ClientSettingsStore
  content: ContentLibrary
  packageOptions: PackageOptionsStore
  packageLabels: ReturnType<typeof createPackageLabels>
  sequences: Sequences
  collections: Collections
  variables: VariableStore
  deployments: Deployments
  debugging: Debugging
  devices: Devices
  gateways: Gateways
  linkProxy: LinkProxySettings
  alarms(): Promise<Alarm[]>
  status: Status
  secrets: Secrets
  organisation: Organisation
  conflicts: Pick<Conflicts, 'list' | 'resolve' | 'rule' | 'setRule'>
  signInSettings: Pick<SignInSettings, 'get' | 'set'>
  administration: Administration
  /** Tells a device to ask for policy now; gives how many gateways were told. */
  syncDevice(id: DeviceId): number
}

const RevisionParameters = z.strictObject({ revision: z.coerce.number().int().min(1).optional() })

/** The id in a path; what has not its form is not there. */
function idIn<S extends z.ZodType>(schema: S, id: string, kind: string): z.output<S> {
  const parsed = schema.safeParse(id)
  return parsed.success ? parsed.data : fail('NOT_FOUND', `There is no ${kind} ${id}.`)
}

/** The gate lets nobody else come to a route about an account. */
const person = (actor: Actor): Person =>
  actor.kind === 'administrator' ? actor : fail('FORBIDDEN', 'A token has no account.')

export function createAdminHandlers(areas: AdminAreas): AdminHandlers {
  const {
    info,
    catalogue,
    settings,
    content,
    sequences,
    collections,
    variables,
    deployments,
    devices,
    gateways,
    linkProxy,
    status,
    secrets,
    organisation,
    signInSettings,
    conflicts,
    administration,
  } = areas
  const { own, passkeys } = administration
  const administratorId = (id: string) => idIn(AdministratorId, id, 'administrator')
  const packageId = (id: string) => idIn(PackageId, id, 'package')
  const deploymentId = (id: string) => idIn(DeploymentId, id, 'deployment')
  const groupId = (id: string) => idIn(PointGroupId, id, 'distribution point group')
  const deviceId = (id: string) => idIn(DeviceId, id, 'device')
  return {
    site: info,
    clientSettings: async () => (await settings.get()).settings,
    setClientSettings: async ({ body }) => (await settings.set(body)).settings,

    packages: () => content.list(),
    package: ({ id }) => content.get(packageId(id)),
    importPackage: ({ body }) => content.importPackage(body),
    updatePackage: ({ id, body }) => content.updatePackage(packageId(id), body),
    packageOptions: ({ id }) => areas.packageOptions.get(packageId(id)),
    setPackageOptions: ({ id, body }) => areas.packageOptions.set(packageId(id), body),
    async setPackageLabels({ id, body }) {
      await areas.packageLabels.set(packageId(id), body)
      return await content.get(packageId(id))
    },
    packageCosts: ({ id, body }) => content.costs(packageId(id), body),
    deletePackage: ({ id, body }) => content.deletePackage(packageId(id), body),
    collectContent: () => content.collect(),
    distributePackage: ({ id, body }) => content.distribute(packageId(id), body.to),
    removeDistribution: ({ id, body }) => content.removeDistribution(packageId(id), body),
    cancelDistribution: ({ id, body }) => content.cancelDistribution(packageId(id), body.at),
    validateDistribution: ({ id, body }) => content.validateDistribution(packageId(id), body.at),
    pointGroups: () => content.pointGroups.list(),
    createPointGroup: ({ body }) => content.pointGroups.create(body.name),
    setPointGroupMembers: ({ id, body }) => content.pointGroups.setMembers(groupId(id), body.members),
    async deletePointGroup({ id }) {
      await content.pointGroups.delete(groupId(id))
      return {}
    },
    distributionPoints: () => content.cloudPoints.infos(),
    createDistributionPoint: ({ body }) => content.cloudPoints.create(body),
    replacePointCredentials: ({ id, body }) =>
      content.cloudPoints.replaceCredentials(idIn(CloudPointId, id, 'distribution point'), body.storage),
    async deleteDistributionPoint({ id }) {
      await content.cloudPoints.delete(idIn(CloudPointId, id, 'distribution point'))
      return {}
    },
    async setLinkProxyCredentials({ body }) {
      await linkProxy.set(body.credentials)
      return {}
    },
    async forgetLinkProxyCredentials() {
      await linkProxy.forget()
      return {}
    },
    diffPackage: ({ id, body }) => content.diff(packageId(id), body),
    job: ({ id }) => content.job(idIn(JobId, id, 'job')),

    catalogue: () => catalogue.info(),
    catalogueFile: ({ id }) => catalogue.file(id),
    releases: () => catalogue.releases(),
    async releaseBytes({ id }) {
      return { base64: Buffer.from(await catalogue.bytes(idIn(Sha256, id, 'target'))).toString('base64') }
    },
    publishCatalogue: ({ body }) => catalogue.publishSigned(body),
    rotateKey: ({ id }) => catalogue.rotate(idIn(SigningRole, id, 'key')),

    sequences: () => sequences.list(),
    async sequenceDocument({ id, query }) {
      const asked = RevisionParameters.safeParse(query)
      if (!asked.success) throw new ProblemError(badRequest(asked.error))
      return await sequences.document(id, asked.data.revision)
    },
    applySequence: ({ body }) => sequences.apply(body),
    refreshSequence: ({ id, body }) => sequences.refresh(id, body.what),
    distributeSequence: ({ id, body }) => sequences.distribute(id, body.to),

    collections: () => collections.list(),
    createCollection: ({ body }) => collections.create(body.name),
    setCollectionMembers: ({ id, body }) => collections.setMembers(id, body.members),
    collectionVariables: ({ id }) => variables.ofCollection(id),
    setCollectionVariable: ({ id, body }) => variables.setForCollection(id, body),
    removeCollectionVariable: ({ id, body }) => variables.removeFromCollection(id, body.name),
    setVariablePriority: ({ id, body }) => variables.setPriority(id, body.priority),
    deviceVariables: ({ id }) => variables.ofDevice(deviceId(id)),
    setDeviceVariable: ({ id, body }) => variables.setForDevice(deviceId(id), body),
    removeDeviceVariable: ({ id, body }) => variables.removeFromDevice(deviceId(id), body.name),

    deployments: () => deployments.list(),
    deployment: ({ id }) => deployments.get(deploymentId(id)),
    deploymentDevices: ({ id, query }) => deployments.devices(deploymentId(id), query),
    createDeployment: ({ body, actor }) => deployments.create(body, personOf(actor)),
    changeDeployment: ({ id, body, actor }) => deployments.change(deploymentId(id), body, personOf(actor)),
    approveDeployment: ({ id, body, actor }) => deployments.approve(deploymentId(id), body.digest, personOf(actor)),
    approvalRule: () => deployments.approvalRule(),
    setApprovalRule: ({ body, actor }) => deployments.setApprovalRule(body.aboveDevices, personOf(actor)),
    pauseRun: ({ id, body }) => deployments.pause(deploymentId(id), body),
    cancelRun: ({ id, body }) => deployments.cancel(deploymentId(id), body.deviceId),
    debugSession: ({ id }) => areas.debugging.session(deviceId(id)),
    debugRun: ({ id, body }) => areas.debugging.order(deviceId(id), body.order, body.runId),
    async deleteDeployment({ id }) {
      await deployments.delete(deploymentId(id))
      return {}
    },

    devices: ({ query, actor }) => devices.list({ ...query, collections: actor.collections }),
    device: ({ id }) => devices.get(deviceId(id)),
    approveDevice: ({ id, body }) => devices.approve(deviceId(id), body.fingerprint),
    revokeDevice: ({ id }) => devices.revoke(deviceId(id)),
    async syncDevice({ id }) {
      const { id: known } = await devices.get(deviceId(id))
      return { gatewaysTold: areas.syncDevice(known) }
    },
    async deleteDevice({ id }) {
      await devices.delete(deviceId(id))
      return {}
    },
    deviceTokens: ({ query }) => devices.tokens(query),
    blockDeviceToken: ({ id }) => devices.blockToken(idIn(TokenId, id, 'token')),
    enrolmentBundle: () => devices.bundle(),
    createDeviceToken: ({ body }) => devices.createToken(body),

    gateways: () => gateways.infos(),
    createGateway: ({ body }) => gateways.create(body),
    createJoinCode: ({ id }) => gateways.offerJoin(id),
    async deleteGateway({ id }) {
      await gateways.remove(id)
      return {}
    },
    changeGateway: ({ id, body }) => gateways.change(id, body),
    alarms: () => areas.alarms(),

    organisationAuthorities: () => organisation.authorities(),
    addOrganisationAuthority: ({ body }) => organisation.add(body),
    async removeOrganisationAuthority({ id }) {
      await organisation.remove(idIn(Sha256, id, 'authority'))
      return {}
    },
    setOrganisationCrl: ({ id, body }) =>
      organisation.setCrl(idIn(Sha256, id, 'authority'), Buffer.from(body.crl, 'base64')),
    organisationSettings: () => organisation.settings(),
    setOrganisationSettings: ({ body }) => organisation.setSettings(body),
    deviceConflicts: ({ query }) => conflicts.list(query),
    resolveDeviceConflict: async ({ id, body }) => ({
      deviceId: await conflicts.resolve(deviceId(id), body.resolution),
    }),
    conflictRule: () => conflicts.rule(),
    setConflictRule: ({ body }) => conflicts.setRule(body),
    enrolmentSignIn: () => signInSettings.get(),
    setEnrolmentSignIn: ({ body }) => signInSettings.set(body),

    secrets: () => secrets.list(),
    setSecret: ({ id, body }) => secrets.set(id, body.value),
    async deleteSecret({ id }) {
      await secrets.delete(id)
      return {}
    },

    me: async ({ actor }) => meOf(actor),
    apiTokens: () => administration.apiTokens.list(),
    createApiToken: ({ actor, body }) => administration.apiTokens.create(actor, body),
    revokeApiToken: ({ actor, id }) => administration.apiTokens.revoke(actor, idIn(ApiTokenId, id, 'token')),
    administrators: () => administration.accounts.list(),
    inviteAdministrator: ({ actor, body }) => administration.accounts.invite(actor, body),
    changeAdministrator: ({ actor, id, body }) => administration.accounts.change(actor, administratorId(id), body),
    resetAdministrator: ({ actor, id }) => administration.accounts.reset(actor, administratorId(id)),
    account: ({ actor }) => own.show(person(actor)),
    changePassword: ({ actor, body }) => own.changePassword(person(actor), body.password, body.newPassword),
    startTotp: ({ actor }) => own.startTotp(person(actor)),
    confirmTotp: ({ actor, body }) => own.confirmTotp(person(actor), body.code),
    passkeyQuestion: ({ actor }) => passkeys.addQuestion(person(actor).id, actor.name),
    addPasskey: ({ actor, body }) => passkeys.add(person(actor).id, body),
    async removePasskey({ actor, id }) {
      await passkeys.remove(person(actor).id, id)
      return {}
    },
    async endSession({ actor, id }) {
      await own.endSession(person(actor), id)
      return {}
    },
    audit: async ({ query: { after, limit } }) => ({ lines: await administration.audit.lines(after, limit) }),
    auditHead: async () => ({ head: await administration.audit.head() }),

    status: ({ actor, query: { device, ...query }, signal }) =>
      status.entries({ ...query, deviceId: device, collections: actor.collections, signal }),
  }
}
