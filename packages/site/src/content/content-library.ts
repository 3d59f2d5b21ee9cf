/**
 * The content library of a site: everything imported, once each; where it shall be; who may have it.
 *
 * Owns the tables of migration `0002-content` and the site's store of packs and pages. Does not own
 * formats (the content package), the link (`connector/`), entitlement (`policy/`) or the catalogue.
 *
 *   L1. A version is durable, then released in the catalogue, then the newest: whoever hears of it
 *       can have it, and a second try after a kill releases the same bytes.
 *   L2. A new version goes by itself to every distribution point that shall hold the package.
 *   L3. In offline mode a version waits for the release key before it is the newest.
 */
import { mkdir, rm, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { createSmallPages, diffVersions, importVersion, type Store } from '@sluice/content'
import {
  type CollectionReport,
  type DistributionPointId,
  type DistributionTarget,
  fail,
  type GatewayId,
  GRANTED_ROOT_BYTES,
  GRANTED_ROOTS_BYTES,
  type JobId,
  type JobInfo,
  type PackageCosts,
  type PackageCostsRequest,
  type PackageDelete,
  type PackageDeleted,
  type PackageDiff,
  type PackageDiffRequest,
  type PackageId,
  type PackageImport,
  type PackageInfo,
  type PackageUpdate,
  ProblemError,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { ContentSource } from '../connector/content-source.ts'
import type { Database, Db } from '../db/database.ts'
import type { DeviceHandler } from '../device-plane/handler.ts'
import { newToken } from '../identity/new-id.ts'
import type { Log } from '../log.ts'
import type { Credentials } from '../secrets/credentials.ts'
import { archiveNames, archiveSource, isArchiveName } from './archives/open-archive.ts'
import { createChunkIndex } from './chunk-index.ts'
import { type CloudPoints, createCloudPoints } from './cloud-points.ts'
import { createCollector } from './collector.ts'
import { condemnations } from './condemned.ts'
import { type ContentTokenOptions, createContentTokenHandler } from './content-token.ts'
import { deleteVersions, refuseNeeded } from './deletion.ts'
import { packageCosts } from './device-contents.ts'
import { resolveTargets, targetPoints } from './distribution-targets.ts'
import { createDistributions, type InstalledThere, isCloudPoint } from './distributions.ts'
import { createImportQueue, type ImportJob, type JobHold } from './import-queue.ts'
import { collectEarly } from './import-thrift.ts'
import { createPackages } from './packages.ts'
import { createPointGroups, type PointGroups } from './point-groups.ts'
import { uploadBeside } from './point-upload.ts'
import { createPointWork } from './point-work.ts'
import { createRewriter } from './rewriting/rewriter.ts'

export interface ContentLibraryOptions
  extends Pick<
    ContentTokenOptions,
    'siteId' | 'key' | 'requireDevice' | 'gateways' | 'clientSettings' | 'entitledContents'
  > {
  db: Kysely<Database>
  store: Store
  /** Scratch space of this process; emptied at every start. */
  stagingFolder: string
  /** Of cloud storage. */
  credentials: Credentials
  /** What imports remember of the files they read; a cache. */
  memoryFolder: string
  /** Three letters or digits with which new package ids begin. */
  siteCode: string
  clock: Clock
  randomBytes: (sizeBytes: number) => Uint8Array
  log: Log
  /** Releases bytes under a name of the catalogue; the same bytes again change nothing. */
  release(target: string, bytes: Uint8Array): Promise<unknown>
  /** Whether it is; in offline mode it first waits for the release key. */
  isReleased(target: string): Promise<boolean>
  /** Told after gateways shall hold other contents than before; all of them when none is named. */
  onContentsChanged(gatewayId?: GatewayId): void
  /** Told after a version of a package has become whole at a gateway or a cloud distribution point. */
  onArrived?(id: PackageId): void
  /** Lists these names of the catalogue no more. */
  withdraw(targets: readonly string[]): Promise<void>
  /** Names of sequences whose newest revision refers to a package. */
  sequencesOf(id: PackageId): Promise<string[]>
  /** Names of deployments that need a package. */
  deploymentsOf(id: PackageId): Promise<string[]>
  /** Told after there are other cloud distribution points than before. */
  onPointsChanged(): void
}

/** How often one import begins anew because packs that it counted on were condemned. */
const MOST_TAKEN_PACKS = 3
/** From here on garbage of an import would take more memory than its time is worth. */
const MANY_FILES = 100_000
/** Layout roots that come with grants, held in memory: devices of one deployment ask for the same ones. */
const KEPT_ROOTS = 128

interface Started {
  packageId: PackageId
  jobId: JobId
}

export interface ContentLibrary extends ContentSource {
  list(): Promise<PackageInfo[]>
  /** Those of the ids that there are. */
  packages(ids: readonly PackageId[]): Promise<PackageInfo[]>
  /** `NOT_FOUND` */
  get(id: PackageId): Promise<PackageInfo>
  /** Starts the first import of a package. `BAD_REQUEST`, `CONTENT_UNREADABLE`, `CONFLICT` when the id is taken. */
  importPackage(request: z.output<typeof PackageImport>): Promise<Started>
  /** Starts the import of the next version. `BAD_REQUEST`, `CONTENT_UNREADABLE`, `NOT_FOUND`. */
  updatePackage(id: PackageId, request: z.output<typeof PackageUpdate>): Promise<Started>
  /**
   * Adds points to where the package shall be; those that have it keep it, or verify it (the
   * default) and mend what is wrong. `NOT_FOUND`, `CONFLICT` before the first import is
   * done, `GATEWAY_CONTENT_DISABLED`; then nothing is changed.
   */
  distribute(id: PackageId, to: readonly DistributionTarget[], installed?: InstalledThere): Promise<PackageInfo>
  /** `NOT_FOUND`; `CONFLICT` while a deployment needs the package, unless forced. */
  removeDistribution(
    id: PackageId,
    order: { from: readonly DistributionTarget[]; force: boolean },
  ): Promise<PackageInfo>
  /** Ends what is under way there. `NOT_FOUND` */
  cancelDistribution(id: PackageId, at: readonly DistributionTarget[]): Promise<PackageInfo>
  /** Has what lies there read, hashed and mended. `NOT_FOUND` where it shall not be. */
  validateDistribution(id: PackageId, at: readonly DistributionTarget[]): Promise<PackageInfo>
  /**
   * Deletes a version, or the package. `NOT_FOUND`, `PACKAGE_NEEDED`, `CONFLICT` while it is imported. An
   * older version is needed by nobody: whoever runs with it has it until the end of the run.
   */
  deletePackage(id: PackageId, order: z.output<typeof PackageDelete>): Promise<PackageDeleted>
  /** `BUSY` while another process collects. */
  collect(): Promise<CollectionReport>
  pointGroups: PointGroups
  cloudPoints: CloudPoints
  /** What one version costs a device that has another. `NOT_FOUND`. */
  diff(id: PackageId, versions: PackageDiffRequest): Promise<PackageDiff>
  /** What an update costs each device, by what its cache holds. `NOT_FOUND` */
  costs(id: PackageId, order: PackageCostsRequest): Promise<PackageCosts>
  /** `NOT_FOUND` */
  job(id: JobId): Promise<JobInfo>
  contentToken: DeviceHandler<'contentToken'>
  /** To be called after a gateway was made or changed: it may hold other things now, and so may points. */
  gatewayChanged(id: GatewayId): void
  /** To be called after names of the catalogue were released that had waited (L3). */
  released(): Promise<void>
  start(): Promise<void>
  /** Breaks off imports; they go on at the next start. */
  stop(): Promise<void>
}

export function createContentLibrary(options: ContentLibraryOptions): ContentLibrary {
  const { db, store, stagingFolder, clock, log, onContentsChanged } = options
  const index = createChunkIndex(options)
  const distributions = createDistributions(options)
  const packages = createPackages({ ...options, distributions })
  const cloudPoints = createCloudPoints({
    db,
    credentials: options.credentials,
    clock,
    log,
    onChanged: options.onPointsChanged,
  })
  const owner = newToken()
  const work = createPointWork({
    ...{ db, store, clock, log, owner, points: cloudPoints },
    onChanged: () => onContentsChanged(),
    onArrived: options.onArrived,
  })
  const rewriter = createRewriter({
    ...options,
    bring: async (at) => uploadBeside(options, { ...at, cloud: await cloudPoints.open(at.pointId) }),
    onChanged: () => onContentsChanged(),
  })
  const collector = createCollector({ db, store, clock, log, owner, sweepPoints: work.sweep, rewriter })
  const queue = createImportQueue({ db, clock, log, run: importJob })

  async function importJob(job: ImportJob, hold: JobHold): Promise<void> {
    using early = collectEarly()
    const onSurveyed = (entryCount: number) => {
      if (entryCount < MANY_FILES) early.waive()
    }
    const { packageId, version } = job
    for (let left = MOST_TAKEN_PACKS; (await packages.version(db, packageId, version)) === undefined; left--) {
      const before = await condemnations(db)
      try {
        await importFolder(job, hold, onSurveyed)
      } catch (error) {
        // A pack that it counted on was condemned: next time it is not found.
        if (left === 0 || hold.signal.aborted || (await condemnations(db)) === before) throw error
        log.info('imported again: a pack was condemned', { packageId, version })
      }
    }
    const made = await packages.version(db, packageId, version)
    if (made === undefined) throw new Error('the version is gone')
    const target = manifestTarget(packageId, version)
    await options.release(target, made.root) // L1
    if (await options.isReleased(target)) await makeNewest(packageId, version, hold) // L3
  }

  async function importFolder(
    { packageId, version, folder, readAll, refuseLongPaths }: ImportJob,
    hold: JobHold,
    onSurveyed: (entryCount: number) => void,
  ): Promise<void> {
    const { packageKey, target: rules } = await packages.row(db, packageId)
    const imported = await importVersion({
      folder: isArchiveName(folder) ? archiveSource(folder) : folder,
      packageId,
      version,
      target: rules,
      refuseLongPaths,
      packageKey,
      index,
      store,
      stagingFolder,
      memory: { path: join(options.memoryFolder, packageId), readAll, now: clock.now },
      randomBytes: options.randomBytes,
      signal: hold.signal,
      onSurveyed,
      onProgress: ({ doneBytes, totalBytes }) => hold.progress(doneBytes, totalBytes),
    })
    if (!imported.ok) throw new ProblemError(imported.problem)
    await db.transaction().execute(async (trx) => {
      await hold.confirm(trx)
      await packages.addVersion(trx, packageId, version, imported.value)
    })
  }

  async function makeNewest(packageId: PackageId, version: number, hold?: JobHold): Promise<void> {
    await db.transaction().execute(async (trx) => {
      await hold?.confirm(trx)
      const made = await packages.version(trx, packageId, version)
      if (made === undefined) throw new Error('the version is gone')
      await packages.release(trx, packageId, version)
      const points = await distributions.pointsOf(trx, packageId)
      await distributions.add(trx, { packageId, version, ...made }, points, 'keep') // L2
    })
    onContentsChanged()
    work.wake()
  }

  /** Gateways hear of it; what the site does itself begins. */
  function tellPoints(points: readonly DistributionPointId[]): void {
    for (const id of points) if (!isCloudPoint(id)) onContentsChanged(id)
    if (points.some(isCloudPoint)) work.wake()
  }

  /** L3: those that were released while nobody looked. */
  async function makeReleasedNewest(): Promise<void> {
    for (const { packageId, version } of await packages.unreleased())
      if (await options.isReleased(manifestTarget(packageId, version))) await makeNewest(packageId, version)
  }

  async function checkFolder(folder: string): Promise<void> {
    if (!isAbsolute(folder)) fail('BAD_REQUEST', `${folder} is not an absolute path.`)
    const found = await stat(folder).catch(() => undefined)
    if (found === undefined)
      fail('CONTENT_UNREADABLE', `${folder}: there is no such folder, or the site may not see it.`)
    if (!found.isDirectory() && !(found.isFile() && isArchiveName(folder)))
      fail('CONTENT_UNREADABLE', `${folder}: it is neither a folder nor ${archiveNames}.`)
  }

  async function get(id: PackageId): Promise<PackageInfo> {
    const [found] = await packages.infos([id])
    return found ?? fail('NOT_FOUND', `There is no package ${id}.`)
  }

  async function distribute(
    packageId: PackageId,
    to: readonly DistributionTarget[],
    installed: InstalledThere = 'verify',
  ): Promise<PackageInfo> {
    const gateways = await options.gateways()
    const points = await db.transaction().execute(async (trx) => {
      const resolved = await resolveTargets(trx, { targets: to, packageId, gateways })
      const { version } = await packages.row(trx, packageId)
      const newest = await packages.version(trx, packageId, version)
      if (newest === undefined) fail('CONFLICT', `The first import of ${packageId} is not done, or not released.`)
      await distributions.add(trx, { packageId, version, ...newest }, resolved, installed)
      return resolved
    })
    tellPoints(points)
    return await get(packageId)
  }

  /** What is done to all points that the targets mean, together. */
  async function change(
    packageId: PackageId,
    targets: readonly DistributionTarget[],
    act: (trx: Db, id: PackageId, points: readonly DistributionPointId[]) => Promise<void>,
  ): Promise<DistributionPointId[]> {
    const gateways = await options.gateways()
    return await db.transaction().execute(async (trx) => {
      const points = await targetPoints(trx, targets, gateways)
      await act(trx, packageId, points)
      return points
    })
  }

  async function diff(id: PackageId, { from, to }: PackageDiffRequest): Promise<PackageDiff> {
    const { packageKey } = await packages.row(db, id)
    const both = await Promise.all([from, to].map((version) => packages.layoutOf(id, version)))
    const [older, newer] = both
    if (older === undefined || newer === undefined)
      fail('NOT_FOUND', `${id} has no version ${older === undefined ? from : to}.`)
    return { from, to, ...(await diffVersions({ store, packageKey, from: older, to: newer })) }
  }

  return {
    list: () => packages.infos(),
    packages: (ids) => packages.infos(ids),
    get,

    async importPackage({ folder, refuseLongPaths = false, ...wanted }) {
      await checkFolder(folder)
      const started = await db.transaction().execute(async (trx) => {
        const packageId = await packages.create(trx, wanted)
        return { packageId, jobId: await queue.add(trx, packageId, { folder, readAll: false, refuseLongPaths }) }
      })
      queue.wake()
      return started
    },

    async updatePackage(packageId, { folder, readAll = false, refuseLongPaths = false }) {
      await checkFolder(folder)
      const jobId = await db.transaction().execute(async (trx) => {
        await packages.row(trx, packageId)
        return await queue.add(trx, packageId, { folder, readAll, refuseLongPaths })
      })
      queue.wake()
      return { packageId, jobId }
    },

    distribute,

    async removeDistribution(packageId, { from, force }) {
      await packages.row(db, packageId)
      const needed = force ? [] : await options.deploymentsOf(packageId)
      if (needed.length > 0)
        fail('CONFLICT', `Deployments need ${packageId}: ${needed.slice(0, 5).join(', ')}. Delete them, or force it.`)
      await change(packageId, from, distributions.remove)
      work.wake('sweep')
      return await get(packageId)
    },
    async cancelDistribution(packageId, at) {
      await packages.row(db, packageId)
      tellPoints(await change(packageId, at, distributions.cancel))
      return await get(packageId)
    },
    async validateDistribution(packageId, at) {
      const shall = await distributions.pointsOf(db, packageId)
      const points = await targetPoints(db, at, await options.gateways())
      for (const id of points) if (!shall.includes(id)) fail('NOT_FOUND', `${packageId} is not distributed to ${id}.`)
      return await distribute(packageId, points)
    },
    async deletePackage(packageId, { version, force }) {
      const [deployments, sequences] = await Promise.all([
        options.deploymentsOf(packageId),
        options.sequencesOf(packageId),
      ])
      const result = await db.transaction().execute(async (trx) => {
        const points = await distributions.pointsOf(trx, packageId)
        const result = await deleteVersions(trx, {
          ...{ packageId, version, now: clock.now() },
          checkNewest: () => refuseNeeded(packageId, { deployments, sequences }, force),
        })
        const newest = await packages.version(trx, packageId, result.newest)
        if (newest !== undefined)
          await distributions.goBack(trx, { packageId, version: result.newest, ...newest }, points)
        return result
      })
      await options.withdraw(result.deleted.map((one) => manifestTarget(packageId, one)))
      onContentsChanged()
      work.wake('sweep')
      return result
    },
    async collect() {
      return (await collector.collect()) ?? fail('BUSY', 'Another process of the site collects just now.')
    },
    pointGroups: createPointGroups({
      db,
      clock,
      gateways: options.gateways,
      send: (packageId, to) => distribute(packageId, to, 'keep'),
    }),
    cloudPoints,

    diff: (id, versions) => diff(id, versions),
    async costs(id, { to, device }) {
      const newest = to ?? (await packages.row(db, id)).version
      return await packageCosts(db, id, { to: newest, device }, (from, wanted) => diff(id, { from, to: wanted }))
    },

    job: (id) => queue.info(id),
    contentToken: createContentTokenHandler({
      ...options,
      packages,
      distributions,
      layoutRoots: createSmallPages(store, {
        pageBytes: GRANTED_ROOT_BYTES,
        answerBytes: GRANTED_ROOTS_BYTES,
        keptPages: KEPT_ROOTS,
      }),
      cloudPoints: () => cloudPoints.list(),
    }),

    gatewayContents: distributions.gatewayContents,
    contentObjects: distributions.contentObjects,
    async contentReport(gatewayId, report) {
      const arrived = await distributions.contentReport(gatewayId, report)
      if (arrived !== undefined) options.onArrived?.(arrived)
    },
    gatewayChanged(id) {
      onContentsChanged(id)
      work.wake()
    },
    released: makeReleasedNewest,
    openObject(kind, hash, range) {
      using _ = collectEarly()
      return store.get({ kind, hash }, range)
    },

    async start() {
      await rm(stagingFolder, { recursive: true, force: true })
      for (const path of [stagingFolder, options.memoryFolder]) await mkdir(path, { recursive: true, mode: 0o700 })
      await makeReleasedNewest()
      await queue.start()
      await work.start()
      collector.start()
    },
    async stop() {
      await Promise.all([queue.stop(), work.stop(), collector.stop()])
    },
  }
}

const manifestTarget = (id: PackageId, version: number) => `manifest/${id}/${version}`
