/**
 * A site without sockets, for tests of what it decides: real keys, catalogue, sequences, collections,
 * deployments and policy on a real database. Packages, gateways and client settings are plain values
 * that the test changes.
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type Caller,
  ClientSettings,
  ContentId,
  type DeploymentId,
  DeploymentSettings,
  type DeviceFacts,
  DeviceId,
  DistributionPointId,
  GatewayId,
  type NetworkLocation,
  PackageId,
  type PackageInfo,
  type PolicyAnswer,
  PolicyAnswer as PolicyAnswerSchema,
  RunId,
  type RunReport,
  Sha256,
  SiteId,
  type StatusEvent,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { createCatalogue } from '../../catalogue/catalogue.ts'
import { createCollections } from '../../collections/collections.ts'
import { nextNumbers } from '../../db/counter.ts'
import type { Database } from '../../db/database.ts'
import { createDebugging } from '../../debugging/debugging.ts'
import type { RelayedRequest } from '../../device-plane/handler.ts'
import { createAdmission } from '../../devices/admission.ts'
import { createKeyring, type Keyring } from '../../keys/keyring.ts'
import { silentLog } from '../../log.ts'
import { FACTS_COUNTER } from '../../policy/facts-revision.ts'
import { createPolicy, type Policy } from '../../policy/policy.ts'
import { createSequences } from '../../sequences/sequences.ts'
import { createManualClock } from '../../testing/manual-clock.ts'
import type { CloudPointFacts, GatewayFacts } from '../circumstances.ts'
import { createDeployments } from '../deployments.ts'

export const deviceFacts: DeviceFacts = {
  hostname: 'traveller',
  platform: 'linux',
  architecture: 'x64',
  manufacturer: 'Sluice',
  model: 'Meridian 15',
  serialNumber: '1',
  os: { id: 'minios', name: 'MiniOS 1 (alpha)', version: '1' },
  memoryBytes: 1,
  processorMHz: 1,
}

export const report: RunReport = {
  result: 'success',
  osBefore: 'MiniOS 1 (alpha)',
  osAfter: 'MiniOS 2 (beta)',
  firstStepMs: 1,
  totalMs: 2,
  referencedBytes: 3,
  neededBytes: 2,
  fetchedBytes: 2,
  metadataBytes: 1,
  packages: [],
  steps: [],
  restarts: 1,
  logPath: '/var/log/smsts.log',
}

export const internet = GatewayId.parse('gw_internet000')
export const internal = GatewayId.parse('gw_internal000')
export const gatewayOf = { internet, internal } as const

export type SiteWorld = Awaited<ReturnType<typeof createSiteWorld>>

/** Keys made once for all worlds of a test file; their files are gone when this returns. */
export async function makeKeyring(): Promise<Keyring> {
  const folder = await mkdtemp(join(tmpdir(), 'keyring-'))
  try {
    return await createKeyring({ folder: join(folder, 'keys'), log: silentLog })
  } finally {
    await rm(folder, { recursive: true })
  }
}

export async function createSiteWorld(db: Kysely<Database>, keyring: Keyring, clock = createManualClock()) {
  const packages = new Map<PackageId, PackageInfo>()
  const gateways: GatewayFacts[] = []
  const world = { clientSettings: ClientSettings.parse({}), cloudPoints: [] as CloudPointFacts[], changes: 0 }
  const onChanged = () => void world.changes++
  const facts = {
    packages: async (ids: readonly PackageId[]) => ids.flatMap((id) => packages.get(id) ?? []),
    gateways: async () => gateways,
    cloudPoints: async () => world.cloudPoints,
    clientSettings: async () => world.clientSettings,
  }
  const requireDevice = createAdmission({ db, clock })
  const siteId = SiteId.parse('site_0123456789')
  const catalogue = await createCatalogue({ db, keyring, siteId, clock, requireDevice })
  const collections = createCollections({ db, clock, onMembersChanged: onChanged })
  const sequences = createSequences({
    db,
    clock,
    catalogue,
    packages: facts.packages,
    async distribute(id, to) {
      for (const target of to) install(id, DistributionPointId.parse(target))
      return packages.get(id) as PackageInfo
    },
    onChanged,
  })
  const seen: DeviceId[] = []
  const made = createPolicy({
    db,
    clock,
    key: () => keyring.policy,
    facts,
    devices: { saw: async (id) => void seen.push(id) },
  })
  /** Packages, gateways and settings are no rows here: nobody counts their changes. */
  const countFacts = () => db.transaction().execute((trx) => nextNumbers(trx, FACTS_COUNTER, 1))
  const policy: Policy = {
    ...made,
    async entitledContents(...words) {
      await countFacts()
      return await made.entitledContents(...words)
    },
  }
  const deployments = createDeployments({
    db,
    clock,
    log: silentLog,
    collections,
    sequences,
    facts,
    contentsOf: policy.contentsOf,
    catalogueMode: catalogue.mode,
    onChanged,
    onOrdered: onChanged,
  })

  const debugging = createDebugging({ db, onOrdered: onChanged })

  /** Says that the newest version of a package lies whole at a gateway. */
  function install(id: PackageId, pointId: DistributionPointId) {
    const one = packages.get(id)
    const done = { presentBytes: 1, totalBytes: 1, attempts: 1, changedAt: '2026-11-20T12:00:00.000Z' }
    one?.distribution.push({ pointId, version: one.version, state: 'installed', ...done })
  }

  /** A package version as the content library leaves it: its manifest is released. */
  async function importPackage(idText: string, version = 1): Promise<PackageInfo> {
    const id = PackageId.parse(idText)
    const manifest = new TextEncoder().encode(`manifest of ${id} version ${version}`)
    const contentId = ContentId.parse(createHash('sha256').update(manifest).digest('hex'))
    await catalogue.release(`manifest/${id}/${version}`, manifest)
    const bytes = { fileCount: 1, totalBytes: 1000, storedBytes: 500 }
    const kind = { name: `Package ${id}`, kind: 'package', target: 'any' } as const
    const info: PackageInfo = {
      id,
      ...kind,
      version,
      contentId,
      state: 'released',
      ...bytes,
      losses: [],
      distribution: [],
    }
    packages.set(id, info)
    return info
  }

  async function enrol(idText: string): Promise<Caller & { identity: 'device' }> {
    const deviceId = DeviceId.parse(idText)
    const certificate = Sha256.parse(createHash('sha256').update(`certificate of ${idText}`).digest('hex'))
    const now = clock.now()
    await db
      .insertInto('devices')
      .values({
        id: deviceId,
        state: 'approved',
        fingerprint: certificate,
        seal_key: '',
        facts: JSON.stringify(deviceFacts),
        agent: '{}',
        enrolled_at: now,
        last_seen_at: null,
        last_gateway_id: null,
      })
      .execute()
    await db
      .insertInto('device_certificates')
      .values({
        hash: certificate,
        device_id: deviceId,
        serial: idText,
        issued_at: now,
        expires_at: now + 3650 * 24 * 3600_000,
        revoked_at: null,
      })
      .execute()
    return { identity: 'device', deviceId, certificate, expired: false, remoteAddress: '127.0.0.1' }
  }

  const relayed = <B>(caller: Caller, location: NetworkLocation, body: B): RelayedRequest<B> => ({
    caller,
    gateway: { gatewayId: gatewayOf[location], kind: location },
    parameters: {},
    body,
    signal: AbortSignal.timeout(60_000),
  })

  async function poll(
    caller: Caller,
    location: NetworkLocation = 'internet',
    question: { nonce?: string; knownBodyHash?: Sha256 | undefined } = {},
  ): Promise<PolicyAnswer> {
    const { nonce = 'a nonce of sixteen characters', knownBodyHash } = question
    const known = knownBodyHash === undefined ? {} : { knownBodyHash }
    const body = { nonce, ...known, facts: deviceFacts, agent: { version: '1', capabilities: [] } }
    await countFacts()
    const answer = await policy.handler(relayed(caller, location, body))
    // As it comes over the wire.
    return PolicyAnswerSchema.parse(JSON.parse(JSON.stringify(answer.body)))
  }

  let messages = 0
  async function say(deviceId: DeviceId, event: StatusEvent): Promise<void> {
    const message = { bootId: 'boot', seq: ++messages, at: '2026-11-20T12:00:00Z', event }
    await db.transaction().execute(async (trx) => {
      for (const area of [deployments, debugging])
        await area.onStatus(trx, { deviceId, receivedAt: clock.now(), message })
    })
  }

  /** A sequence over these packages, with a *Download Package Content* step unless told otherwise. */
  const sequenceText = (name: string, ids: readonly string[], type = 'downloadPackageContent') =>
    JSON.stringify({
      format: 'sluice-sequence/1',
      name,
      inputs: [{ variable: 'Language', pattern: '[a-z]{2}' }],
      steps: [
        { type: 'setVariable', name: 'Begin', variable: 'Begun', value: 'yes' },
        ...(ids.length === 0 ? [] : [stepFor(type, ids)]),
      ],
    })

  /** Everything for one deployment that a device on the internet may run. */
  async function deployToInternet(change: Partial<DeploymentSettings> = {}) {
    const caller = await enrol('dev_traveller00')
    gateways.push(gateway('internet'))
    for (const id of ['ABC00001', 'ABC00002']) install((await importPackage(id)).id, internet)
    await sequences.apply({ fileName: 'up.json', text: sequenceText('Upgrade', ['ABC00001', 'ABC00002']) })
    const { id: collection } = await collections.create('Travellers')
    await collections.setMembers(collection, [caller.deviceId])
    const settings = DeploymentSettings.parse({ allowInternet: true, ...change })
    const deployment = await deployments.create({ sequence: 'Upgrade', collection, settings })
    return { caller, deviceId: caller.deviceId, collection, deployment }
  }

  return {
    ...{ db, clock, keyring, world, facts, packages, gateways, seen },
    ...{ catalogue, collections, sequences, deployments, debugging, policy },
    ...{ install, importPackage, enrol, relayed, poll, say, sequenceText, deployToInternet },
  }
}

const stepFor = (type: string, ids: readonly string[]) =>
  type === 'downloadPackageContent'
    ? { type, name: 'Fetch', saveAs: 'Content', packages: ids }
    : { type: 'runCommandLine', name: 'Run', commandLine: 'true', package: ids[0] }

export const gateway = (kind: NetworkLocation, serveContent = true): GatewayFacts => ({
  id: gatewayOf[kind],
  name: kind,
  kind,
  deviceUrl: `https://${kind}.example:8443`,
  enrolmentUrl: `https://${kind}.example:8444`,
  serveContent,
})

/** What every status event of a run carries. */
export const runOf = (deploymentId: DeploymentId) => ({ runId: RunId.parse('run_0123456789'), deploymentId })
