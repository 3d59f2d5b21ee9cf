/**
 * A content library on a real database and a real store, for tests. What belongs to other areas
 * (gateways, client settings, entitlement) are plain values that the test changes.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openFolderStore } from '@sluice/content'
import { restore, seededBytes } from '@sluice/content/testing'
import { ClientSettings, type ContentId, GatewayId, type JobInfo, PackageId, SiteId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../../db/database.ts'
import { onEveryDatabase } from '../../db/testing.ts'
import { createAdmission } from '../../devices/admission.ts'
import { createKeyring } from '../../keys/keyring.ts'
import { silentLog } from '../../log.ts'
import { createCredentials } from '../../secrets/credentials.ts'
import { openVault } from '../../secrets/vault.ts'
import { createManualClock } from '../../testing/manual-clock.ts'
import { type ContentLibrary, createContentLibrary } from '../content-library.ts'
import type { ContentGateway } from '../content-sources.ts'

export const siteId = SiteId.parse('site_0123456789')
export const internet = GatewayId.parse('gw_internet000')
export const internal = GatewayId.parse('gw_internal000')
export const driver = { name: 'Driver', kind: 'driver', target: 'any' } as const

export type LibraryWorld = Awaited<ReturnType<typeof createLibraryWorld>>

/** A test with a content library of its own, once on each database. */
export function withLibrary(name: string, body: (site: LibraryWorld, db: Kysely<Database>) => Promise<void>): void {
  onEveryDatabase(name, async (db) => {
    const site = await createLibraryWorld(db)
    try {
      await body(site, db)
    } finally {
      await site.close()
    }
  })
}

export async function createLibraryWorld(db: Kysely<Database>) {
  const folder = await mkdtemp(join(tmpdir(), 'site-content-'))
  const clock = createManualClock()
  const keyring = await createKeyring({ folder: join(folder, 'keys'), log: silentLog })
  const store = await openFolderStore(join(folder, 'store'))
  const vault = await openVault({ file: join(folder, 'vault.key'), db, log: silentLog })
  const credentials = createCredentials({ db, vault, clock })
  const gateway = (id: GatewayId, kind: ContentGateway['kind']): ContentGateway => ({
    id,
    kind,
    name: `the ${kind} one`,
    deviceUrl: `https://${kind}.example:443`,
    serveContent: true,
  })
  const world = {
    gateways: [gateway(internet, 'internet'), gateway(internal, 'internal')],
    clientSettings: ClientSettings.parse({}),
    entitled: new Set<ContentId>(),
    released: new Map<string, Uint8Array>(),
    /** Names of deployments that need every package. */
    deployments: [] as string[],
    /** Names of sequences that refer to every package. */
    sequences: [] as string[],
    changes: [] as (GatewayId | undefined)[],
    /** Offline mode: what is released waits until the test takes it off. */
    waiting: false,
    /** Stands in the way of a release while it is set. */
    beforeRelease: async () => {},
  }
  const libraries: ContentLibrary[] = []

  /** Another process of the site, on the same database and store. */
  const createLibrary = (name: string): ContentLibrary => {
    const library = createContentLibrary({
      db,
      store,
      stagingFolder: join(folder, `staging-${name}`),
      credentials,
      memoryFolder: join(folder, `imports-${name}`),
      siteId,
      siteCode: 'ABC',
      clock,
      key: keyring.contentToken,
      randomBytes: (sizeBytes) => randomBytes(sizeBytes),
      log: silentLog,
      requireDevice: createAdmission({ db, clock }),
      gateways: async () => world.gateways,
      clientSettings: async () => world.clientSettings,
      entitledContents: async () => world.entitled,
      isReleased: async () => !world.waiting,
      async release(target, bytes) {
        await world.beforeRelease()
        world.released.set(target, bytes)
      },
      onContentsChanged: (id) => void world.changes.push(id),
      onPointsChanged: () => {},
      withdraw: async (targets) => {
        for (const target of targets) world.released.delete(target)
      },
      sequencesOf: async () => world.sequences,
      deploymentsOf: async () => world.deployments,
    })
    libraries.push(library)
    return library
  }
  const library = createLibrary('first')
  await library.start()

  return {
    /** The folder of it all. */
    root: folder,
    world,
    clock,
    store,
    library,
    createLibrary,
    contentTokenKey: keyring.contentToken,

    /** A folder with these files, each of that many seeded bytes. */
    async folder(name: string, files: Record<string, number>): Promise<string> {
      const path = join(folder, 'sources', name)
      await mkdir(path, { recursive: true })
      for (const [file, size] of Object.entries(files))
        await writeFile(join(path, file), seededBytes(`${file} ${size}`, size))
      return path
    },

    async settled({ jobId }: { jobId: JobInfo['id'] }): Promise<JobInfo> {
      for (;;) {
        const job = await library.job(jobId)
        if (job.state === 'succeeded' || job.state === 'failed') return job
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },

    /** Imports and waits; gives the package. */
    async imported(files: Record<string, number>, id = 'ABC00001') {
      const path = await this.folder(`${id}-${Object.values(files).join('-')}`, files)
      const packageId = PackageId.parse(id)
      const known = await library.packages([packageId])
      const started =
        known.length === 0
          ? await library.importPackage({ ...driver, id: packageId, folder: path })
          : await library.updatePackage(packageId, { folder: path })
      const job = await this.settled(started)
      if (job.state !== 'succeeded') throw new Error(JSON.stringify(job))
      return await library.get(packageId)
    },

    /** The gateway says that it has all of the content. */
    async install(gatewayId: GatewayId, contentId: ContentId): Promise<void> {
      const listed = (await library.gatewayContents(gatewayId)).find((one) => one.contentId === contentId)
      const { revision = 1, totalBytes = 1, verify } = listed ?? {}
      const report = { contentId, revision, state: 'present', presentBytes: totalBytes, totalBytes } as const
      await library.contentReport(gatewayId, { ...report, verified: verify })
    },

    /** Writes the newest version of a package back from the store. */
    async restored(id: PackageId): Promise<string> {
      const row = await db
        .selectFrom('package_versions as version')
        .innerJoin('packages', 'packages.id', 'version.package_id')
        .select(['root', 'content_id', 'layout_hash', 'package_key'])
        .where('packages.id', '=', id)
        .orderBy('version.version', 'desc')
        .executeTakeFirstOrThrow()
      const to = await mkdtemp(join(folder, 'restored-'))
      await restore({
        store,
        contentId: row.content_id,
        root: row.root,
        layout: row.layout_hash,
        packageKey: row.package_key,
        folder: to,
      })
      return to
    },

    async close(): Promise<void> {
      for (const one of libraries) await one.stop()
      await rm(folder, { recursive: true })
    },
  }
}
