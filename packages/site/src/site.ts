/**
 * A site: all its areas, wired. Making one opens nothing to the outside; `start` does.
 *
 * Owns the order of things and nothing else: what an area does is in its folder.
 */
import { randomBytes } from 'node:crypto'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { type Store, writeFileAtomic } from '@sluice/content'
import { type AdminConnection, type DeviceId, MAX_PAGE, SequenceId, type SiteId, type SiteInfo } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import packageFile from '../package.json' with { type: 'json' }
import { createAdminApp } from './admin/admin-app.ts'
import { createAdminHandlers } from './admin/admin-handlers.ts'
import { openAdminListener } from './admin/admin-listener.ts'
import { ensureAdminToken } from './admin/admin-token.ts'
import { createAdministration } from './administrators/administration.ts'
import { sealTotpSecrets } from './administrators/sign-in/sealed-totp.ts'
import { createCatalogue } from './catalogue/catalogue.ts'
import { keepFresh } from './catalogue/renewal.ts'
import type { Clock } from './clock.ts'
import { createCollections } from './collections/collections.ts'
import { createVariableStore } from './collections/variables.ts'
import type { SiteConfig } from './config.ts'
import { createConnector } from './connector/connector.ts'
import { openLinkProxy } from './connector/link-proxy.ts'
import { listenToNeighbours, type Neighbours } from './connector/neighbours.ts'
import { createContentLibrary } from './content/content-library.ts'
import { keepDeviceContents } from './content/device-contents.ts'
import { createPackageLabels } from './content/package-labels.ts'
import { createPackageOptionsStore } from './content/package-options.ts'
import type { DataFolder } from './data-folder.ts'
import type { Database } from './db/database.ts'
import { createDebugging } from './debugging/debugging.ts'
import type { SiteFacts } from './deployments/circumstances.ts'
import { createDeployments } from './deployments/deployments.ts'
import { createDevicePlane } from './device-plane/device-plane.ts'
import { createAdmission } from './devices/admission.ts'
import { createConflicts } from './devices/conflicts.ts'
import { createDevices } from './devices/devices.ts'
import { createEnrolment } from './devices/enrolment.ts'
import { createSignIns } from './devices/sign-in.ts'
import { createSignInSettings } from './devices/sign-in-settings.ts'
import { createAlarms } from './gateways/alarms.ts'
import { createGateways } from './gateways/gateways.ts'
import { createOrganisation } from './identity/organisation.ts'
import { openSiteIdentity } from './identity/site-identity.ts'
import { createKeyring } from './keys/keyring.ts'
import type { Log } from './log.ts'
import { createPolicy } from './policy/policy.ts'
import { createPush } from './policy/push.ts'
import { adoptStorageFiles } from './secrets/credential-files.ts'
import { createCredentials } from './secrets/credentials.ts'
import { createReveal } from './secrets/reveal.ts'
import { createSecrets } from './secrets/secrets.ts'
import { openVault } from './secrets/vault.ts'
import { createSequences } from './sequences/sequences.ts'
import { createClientSettingsStore } from './settings/client-settings.ts'
import { createStatus } from './status/status.ts'

export interface SiteOptions {
  config: SiteConfig
  folder: Omit<DataFolder, 'release'>
  db: Kysely<Database>
  /** Packs and pages of the content library. */
  store: Store
  clock: Clock
  log: Log
  /** Also hold answers against their schemas, as tests do. */
  checkAnswers?: boolean
}

/** Where a started site is found. */
export interface SiteAddresses {
  siteId: SiteId
  /** Of the admin API. */
  url: string
  /** `AdminConnection` as JSON: what the command line needs. */
  connectionFile: string
  /** As long as nobody administers: the page on which the first one sets a password, once. Not for the log. */
  firstAdministrator?: { url: string; expiresAt: string }
}

export interface Site {
  /** Opens the admin API and dials the gateways. @throws ProblemError `PORT_TAKEN` */
  start(): Promise<SiteAddresses>
  /**
   * To be called once, before `start`, after database and data folder were restored from a backup: what
   * is signed from now on is newer than anything that devices have seen (design §5).
   */
  restored(): Promise<void>
  /** Ends what `start` began; database and store belong to the caller. */
  stop(): Promise<void>
}

/** Opens what the site has kept; the first time, makes keys, catalogue and the administrator's token. */
export async function createSite(options: SiteOptions): Promise<Site> {
  const { config, folder, db, store, clock, log, checkAnswers = false } = options

  const identity = await openSiteIdentity({ db, folder: join(folder.keys, 'authorities'), clock, log })
  const keyring = await createKeyring({ folder: join(folder.keys, 'signing'), log })
  const { siteId } = identity
  const vault = await openVault({ file: join(folder.keys, 'vault.key'), db, log })
  await sealTotpSecrets(db, vault)
  const credentials = createCredentials({ db, vault, clock })
  await adoptStorageFiles({ folder: join(folder.keys, 'storage'), db, credentials, log })
  const linkProxy = await openLinkProxy({ settings: config.linkProxy, db, credentials, log })
  await ensureAdminToken({ db, file: folder.adminToken, clock, log })
  let adminPort = config.admin.port
  const administration = createAdministration({
    ...{ db, clock, log, siteId, siteName: config.name, auditKey: keyring.audit, vault, signOn: config.admin.signOn },
    origin: () => adminOrigin(config, adminPort),
    releasesAtOnce: async () => (await catalogue.mode()) === 'online',
  })

  /** This process by its links, and the others by theirs. @returns how many gateways this one told */
  function tellDevices(devices?: readonly DeviceId[]): number {
    const told = connector.sync(devices)
    if (devices?.length !== 0) neighbours?.tell(told, devices)
    return told.length
  }
  let neighbours: Neighbours | undefined
  const push = createPush({ db, tell: tellDevices, log })
  const requireDevice = createAdmission({ db, clock })
  const catalogue = await createCatalogue({ db, keyring, siteId, clock, requireDevice })
  if ((await catalogue.mode()) === 'online')
    log.warn(
      'online mode: the root and release keys are on this machine, and what is imported is released at once; whoever controls this machine decides what devices run',
    )
  const settings = createClientSettingsStore({ db, onChanged: push.everythingChanged })
  const packageOptions = createPackageOptionsStore({ db, onChanged: push.everythingChanged })
  const packageLabels = createPackageLabels({ db, onChanged: push.everythingChanged })
  const clientSettings = async () => (await settings.get()).settings
  const gateways = createGateways({ db, identity, clock, log })
  gateways.onChange(push.everythingChanged)
  const collections = createCollections({ db, clock, onMembersChanged: (id, left) => push.collectionChanged(id, left) })
  const variables = createVariableStore({
    ...{ db, vault, clock },
    collectionId: async (idOrName) => (await collections.find(idOrName)).id,
    onCollection: (id) => push.collectionChanged(id),
    onDevice: push.deviceChanged,
  })
  const conflicts = createConflicts({
    ...{ db, clock, log, vault, revoke: (id) => devices.revoke(id) },
    onCertificates: () => connector.certificatesRevoked(),
    onInherited: (id) => push.deviceChanged(id),
  })
  const devices = createDevices({
    conflicts,
    db,
    identity,
    clock,
    log,
    gateways: () => gateways.addresses(),
    catalogueRootHash: async () => catalogue.rootHash(),
    onRevoked: () => connector.certificatesRevoked(),
  })
  const organisation = createOrganisation({ db, siteId, clock, log, revoke: (id) => devices.revoke(id) })
  const signInSettings = createSignInSettings({ db, vault })
  const signIns = createSignIns({ db, vault, settings: signInSettings, clock, log })
  const enrolment = createEnrolment({
    ...{ db, identity, clock, log, requireDevice, organisation, signIns },
    onCertificates: () => connector.certificatesRevoked(),
    trust: async () => catalogue.trust(),
  })

  const content = createContentLibrary({
    db,
    store,
    stagingFolder: folder.staging,
    credentials,
    memoryFolder: folder.imports,
    siteCode: config.siteCode,
    siteId,
    clock,
    randomBytes,
    log,
    key: keyring.contentToken,
    requireDevice,
    gateways: () => gateways.infos(),
    clientSettings,
    entitledContents: (deviceId, location) => policy.entitledContents(deviceId, location),
    release: (target, bytes) => catalogue.release(target, bytes),
    withdraw: (targets) => catalogue.withdraw(targets),
    async sequencesOf(id) {
      return (await sequences.list()).filter(({ packages }) => packages.includes(id)).map(({ name }) => name)
    },
    isReleased: async (target) => (await catalogue.released(target)) !== undefined,
    onContentsChanged: (gatewayId) => connector.contentsChanged(gatewayId),
    onArrived: push.packageArrived,
    async deploymentsOf(id) {
      const needing = (await sequences.list()).filter(({ packages }) => packages.includes(id)).map((one) => one.id)
      const all = await deployments.list()
      return all.filter((one) => needing.includes(one.sequenceId)).map((one) => one.sequenceName)
    },
    onPointsChanged() {
      connector.configurationChanged()
      push.everythingChanged()
    },
  })
  gateways.onChange(content.gatewayChanged)
  const facts: SiteFacts = {
    packages: (ids) => content.packages(ids),
    // One that was stopped serves none, whatever its setting.
    gateways: async () =>
      (await gateways.infos()).map((one) => ({
        ...one,
        serveContent: one.serveContent && one.stoppedAt === undefined,
      })),
    cloudPoints: () => content.cloudPoints.list(),
    clientSettings,
  }
  const sequences = createSequences({
    db,
    clock,
    catalogue,
    packages: facts.packages,
    distribute: (id, to) => content.distribute(id, to, 'keep'),
    onChanged: push.sequenceChanged,
  })
  const policy = createPolicy({ db, clock, key: () => keyring.policy, facts, devices })
  const deployments = createDeployments({
    db,
    clock,
    log,
    collections,
    sequences,
    facts,
    contentsOf: policy.contentsOf,
    catalogueMode: catalogue.mode,
    onChanged: (collection) => push.collectionChanged(collection),
    onOrdered: push.deviceChanged,
  })
  const debugging = createDebugging({ db, onOrdered: push.deviceChanged })
  const listeners = [deployments.onStatus, debugging.onStatus, keepDeviceContents]
  const status = createStatus({ db, clock, requireDevice, listeners })

  const devicePlane = createDevicePlane({
    handlers: {
      ...enrolment,
      ...catalogue.handlers,
      policy: policy.handler,
      contentToken: content.contentToken,
      secret: createReveal({ db, vault, clock, requireDevice, audit: administration.audit, key: () => keyring.policy }),
      status: status.handler,
    },
    log,
    checkAnswers,
  })
  const connector = createConnector({
    gateways,
    identity,
    devicePlane,
    content,
    contentTokenKeys: () => ({
      [keyring.contentToken.keyid]: Buffer.from(keyring.contentToken.publicKey).toString('base64'),
    }),
    revokedCertificates: () => devices.revokedCertificates(),
    proxy: linkProxy.current,
    distributionPoints: () => content.cloudPoints.forGateways(),
    clock,
    log,
  })

  catalogue.onReleased((names) => {
    for (const name of names) {
      const sequence = SequenceId.safeParse(name.split('/')[1])
      if (name.startsWith('sequence/') && sequence.success) push.sequenceChanged(sequence.data)
    }
    content
      .released()
      .then(push.everythingChanged, (error: unknown) => log.error('a release was not followed', { error }))
  })

  const info = async (): Promise<SiteInfo> => ({
    siteId,
    name: config.name,
    version: packageFile.version,
    database: config.database.kind,
    catalogueMode: await catalogue.mode(),
  })
  const admin = createAdminApp({
    handlers: createAdminHandlers({
      info,
      settings,
      packageOptions,
      packageLabels,
      catalogue,
      content,
      sequences,
      collections,
      variables,
      deployments,
      debugging,
      devices,
      gateways,
      linkProxy,
      conflicts,
      alarms: createAlarms({
        db,
        clock,
        conflicts: async () => (await conflicts.list({ limit: MAX_PAGE })).items,
        gateways: gateways.infos,
        catalogue: catalogue.info,
      }),
      status,
      organisation,
      signInSettings,
      secrets: createSecrets({ db, vault, clock }),
      administration,
      syncDevice: (id) => tellDevices([id]),
    }),
    authenticate: (request) => administration.authenticate(request),
    gate: administration.gate,
    log,
    checkAnswers,
  })

  const running = new AsyncDisposableStack()
  return {
    async restored() {
      await catalogue.republish()
      await policy.restored()
      log.info('signs above everything that was signed before the restore')
    },
    async start() {
      await content.start()
      running.defer(() => content.stop())
      const { host, port } = config.admin
      const listener = await openAdminListener({
        host,
        port,
        credentials: await identity.adminCredentials([
          ...new Set([host, 'localhost', new URL(adminOrigin(config, adminPort)).hostname]),
        ]),
        fetch: (request, from) =>
          /^\/sign-in(?:\/|$)/.test(new URL(request.url).pathname)
            ? administration.signInPages(request, from)
            : admin.fetch(request, from),
      })
      running.defer(() => listener.close())
      adminPort = listener.port
      const heads = administration.audit.logHeads()
      running.defer(() => heads[Symbol.dispose]())
      running.defer(() => devices.settle())
      neighbours = listenToNeighbours({
        ...{ db, location: config.database, log },
        onHeard: ({ told, devices: named }) => void connector.sync(named, told),
      })
      running.defer(() => neighbours?.stop())
      await connector.start()
      running.defer(() => connector.stop())
      running.defer(keepFresh(catalogue, log))
      running.defer(organisation.keepLists())

      const url = `https://${isIPv6(host) ? `[${host}]` : host}:${listener.port}`
      await writeFileAtomic(folder.adminAuthority, identity.adminAuthority)
      const connection: AdminConnection = { url, authority: folder.adminAuthority, tokenFile: folder.adminToken }
      await writeFileAtomic(folder.adminConnection, `${JSON.stringify(connection, undefined, 2)}\n`)
      const addresses = { siteId, url, connectionFile: folder.adminConnection }
      const firstAdministrator = await administration.invitations.first()
      return { ...addresses, ...(firstAdministrator === undefined ? {} : { firstAdministrator }) }
    },
    stop: () => running.disposeAsync(),
  }
}

/** Passkeys need a name: on this machine alone that is `localhost`. */
function adminOrigin({ admin }: SiteConfig, port: number): string {
  if (admin.url !== undefined) return new URL(admin.url).origin
  const local = ['127.0.0.1', '::1', '0.0.0.0', '::'].includes(admin.host)
  const host = isIPv6(admin.host) ? `[${admin.host}]` : admin.host
  return `https://${local ? 'localhost' : host}:${port}`
}
