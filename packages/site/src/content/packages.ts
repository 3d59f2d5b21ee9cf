/** Packages as an administrator sees them, and their versions. */
import { type ImportedVersion, type StoredVersion, sha256 } from '@sluice/content'
import {
  type ContentId,
  fail,
  PackageId,
  type PackageImport,
  type PackageInfo,
  type StoredObject,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '../clock.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database, Db } from '../db/database.ts'
import { referTo } from './condemned.ts'
import type { Distributions } from './distributions.ts'
import { labelsOf, setLabels } from './package-labels.ts'

const BATCH = 1_000

export type NewPackage = Omit<z.output<typeof PackageImport>, 'folder' | 'refuseLongPaths'>

export interface PackageRow {
  id: PackageId
  name: string
  target: PackageInfo['target']
  packageKey: Uint8Array
  /** Newest released; 0 before the first. */
  version: number
}

/** A version that an import has made durable. */
export interface VersionRow {
  contentId: ContentId
  root: Uint8Array
  objectBytes: number
  released: boolean
}

/** What a device is granted of a released version. */
export interface GrantRow {
  packageId: PackageId
  packageKey: Uint8Array
  layout: Pick<StoredObject, 'hash' | 'sizeBytes'>
  storedBytes: number
}

export interface Packages {
  /** Makes a package, or takes over one whose first import failed. `CONFLICT` when the id is taken. */
  create(trx: Transaction<Database>, wanted: NewPackage): Promise<PackageId>
  /** `NOT_FOUND` */
  row(source: Db, id: PackageId): Promise<PackageRow>
  /** All, or those of the ids that there are. */
  infos(ids?: readonly PackageId[]): Promise<PackageInfo[]>
  version(source: Db, id: PackageId, version: number): Promise<VersionRow | undefined>
  /** What a version is and where its bytes are; undefined when there is none. */
  layoutOf(id: PackageId, version: number): Promise<StoredVersion | undefined>
  /** Keeps what an import made; nobody is told of it before `release`. @throws PackCondemned then it is to be made again */
  addVersion(trx: Transaction<Database>, id: PackageId, version: number, imported: ImportedVersion): Promise<void>
  /** The catalogue has it: it is the newest version now. */
  release(trx: Db, id: PackageId, version: number): Promise<void>
  /** Versions that are durable and not the newest yet, newer than it. */
  unreleased(): Promise<{ packageId: PackageId; version: number }[]>
  grants(contents: readonly ContentId[]): Promise<Map<ContentId, GrantRow>>
}

/** @param siteCode three letters or digits with which new ids begin */
export function createPackages(options: {
  db: Kysely<Database>
  clock: Clock
  siteCode: string
  randomBytes: (sizeBytes: number) => Uint8Array
  distributions: Distributions
}): Packages {
  const { db, clock, siteCode, randomBytes, distributions } = options

  async function freeId(trx: Transaction<Database>): Promise<PackageId> {
    for (;;) {
      const number = await nextNumbers(trx, 'packages', 1)
      const id = PackageId.parse(`${siteCode}${number.toString(16).toUpperCase().padStart(5, '0')}`)
      const taken = await trx.selectFrom('packages').select('id').where('id', '=', id).executeTakeFirst()
      if (taken === undefined) return id
    }
  }

  /** Versions that the release key has not signed yet (offline mode). */
  async function waitingVersions(): Promise<Map<string, number>> {
    const rows = await db.selectFrom('catalogue_drafts').select('name').where('name', 'like', 'manifest/%').execute()
    return new Map(
      rows.map(({ name }) => {
        const [, id = '', version = ''] = name.split('/')
        return [id, Number(version)]
      }),
    )
  }

  return {
    async create(trx, { id: wantedId, name, kind, target, labels }) {
      const id = wantedId ?? (await freeId(trx))
      const fresh = { id, name, kind, target, package_key: randomBytes(32), version: 0, created_at: clock.now() }
      // Only a package that no version of which was ever released and that nobody imports may be taken over.
      const made = await trx
        .insertInto('packages')
        .values(fresh)
        .onConflict((conflict) =>
          conflict
            .column('id')
            .doUpdateSet({ name, kind, target })
            .where('packages.version', '=', 0)
            .where('packages.deleted_at', 'is', null)
            .where('packages.last_deleted', '=', 0)
            .where((eb) =>
              eb.not(
                eb.exists(
                  eb
                    .selectFrom('jobs')
                    .select('jobs.id')
                    .whereRef('jobs.package_id', '=', 'packages.id')
                    .where('jobs.state', 'in', ['waiting', 'running']),
                ),
              ),
            ),
        )
        .returning('id')
        .executeTakeFirst()
      if (made === undefined) fail('CONFLICT', `There is, or was, a package ${id}: ids are given once.`)
      await setLabels(trx, id, labels ?? {})
      return id
    },

    async row(source, id) {
      const row = await source.selectFrom('packages').selectAll().where('id', '=', id).executeTakeFirst()
      if (row === undefined || row.deleted_at !== null) fail('NOT_FOUND', `There is no package ${id}.`)
      const { name, target, package_key, version } = row
      return { id, name, target, packageKey: package_key, version }
    },

    async infos(ids) {
      if (ids?.length === 0) return []
      const rows = await db
        .selectFrom('packages')
        .leftJoin('package_versions as newest', (join) =>
          join.onRef('newest.package_id', '=', 'packages.id').onRef('newest.version', '=', 'packages.version'),
        )
        .select(['packages.id', 'name', 'kind', 'target', 'packages.version'])
        .select(['content_id', 'file_count', 'total_bytes', 'stored_bytes', 'losses'])
        .where('packages.deleted_at', 'is', null)
        .$if(ids !== undefined, (query) => query.where('packages.id', 'in', [...(ids ?? [])]))
        .orderBy('packages.id')
        .execute()
      const distribution = await distributions.list(rows.map((row) => row.id))
      const waiting = await waitingVersions()
      const labels = await labelsOf(db, ids)
      return rows.map((row) => ({
        id: row.id,
        name: row.name,
        kind: row.kind,
        target: row.target,
        version: row.version,
        ...(row.content_id === null ? {} : { contentId: row.content_id }),
        ...releaseState(row.version, waiting.get(row.id)),
        fileCount: row.file_count ?? 0,
        totalBytes: row.total_bytes ?? 0,
        storedBytes: row.stored_bytes ?? 0,
        ...withLabels(labels.get(row.id)),
        losses: JSON.parse(row.losses ?? '[]') as string[],
        distribution: distribution.get(row.id) ?? [],
      }))
    },

    async version(source, id, version) {
      const row = await source
        .selectFrom('package_versions')
        .select(['content_id', 'root', 'object_bytes', 'released'])
        .where('package_id', '=', id)
        .where('version', '=', version)
        .where('deleted_at', 'is', null)
        .executeTakeFirst()
      return (
        row && {
          contentId: row.content_id,
          root: row.root,
          objectBytes: row.object_bytes,
          released: row.released === 1,
        }
      )
    },

    async layoutOf(id, version) {
      const row = await db
        .selectFrom('package_versions')
        .select(['content_id', 'root', 'layout_hash', 'layout_bytes'])
        .where('package_id', '=', id)
        .where('version', '=', version)
        .where('deleted_at', 'is', null)
        .executeTakeFirst()
      if (row === undefined) return undefined
      const layout = { hash: row.layout_hash, sizeBytes: row.layout_bytes }
      return { contentId: row.content_id, root: row.root, layout }
    },

    async addVersion(trx, id, version, imported) {
      const { contentId, root, layout, objects } = imported
      if (sha256(root) !== contentId) throw new Error('the import names its root wrongly')
      await referTo(trx, objects)
      await trx
        .insertInto('package_versions')
        .values({
          package_id: id,
          version,
          content_id: contentId,
          root,
          layout_hash: layout.hash,
          layout_bytes: layout.sizeBytes,
          layout_revision: 1,
          stored_bytes: imported.storedBytes,
          object_count: objects.length,
          object_bytes: objects.reduce((sum, object) => sum + object.sizeBytes, 0),
          file_count: imported.fileCount,
          total_bytes: imported.totalBytes,
          losses: JSON.stringify(imported.losses),
          imported_at: clock.now(),
          released: 0,
        })
        .execute()
      for (let i = 0; i < objects.length; i += BATCH)
        await trx
          .insertInto('version_objects')
          .values(
            objects
              .slice(i, i + BATCH)
              .map(({ kind, hash, sizeBytes }) => ({ content_id: contentId, kind, hash, size_bytes: sizeBytes })),
          )
          .execute()
    },

    async unreleased() {
      return await db
        .selectFrom('package_versions')
        .innerJoin('packages', 'packages.id', 'package_versions.package_id')
        .select(['package_versions.package_id as packageId', 'package_versions.version'])
        .where('released', '=', 0)
        .where('package_versions.deleted_at', 'is', null)
        .whereRef('package_versions.version', '>', 'packages.version')
        .orderBy('package_versions.version')
        .execute()
    },

    async release(trx, id, version) {
      await trx
        .updateTable('package_versions')
        .set({ released: 1 })
        .where('package_id', '=', id)
        .where('version', '=', version)
        .execute()
      await trx.updateTable('packages').set({ version }).where('id', '=', id).where('version', '<', version).execute()
    },

    async grants(contents) {
      if (contents.length === 0) return new Map()
      const rows = await db
        .selectFrom('package_versions as version')
        .innerJoin('packages', 'packages.id', 'version.package_id')
        .select(['content_id', 'packages.id', 'package_key', 'layout_hash', 'layout_bytes', 'stored_bytes'])
        .where('content_id', 'in', [...contents])
        .where('released', '=', 1)
        .execute()
      return new Map(
        rows.map((row) => [
          row.content_id,
          {
            packageId: row.id,
            packageKey: row.package_key,
            layout: { hash: row.layout_hash, sizeBytes: row.layout_bytes },
            storedBytes: row.stored_bytes,
          },
        ]),
      )
    },
  }
}

const withLabels = (labels: PackageInfo['labels']) => (labels === undefined ? {} : { labels })

function releaseState(version: number, waiting: number | undefined): Pick<PackageInfo, 'state' | 'waitingVersion'> {
  if (waiting !== undefined) return { state: 'waitingForRelease', waitingVersion: waiting }
  return { state: version > 0 ? 'released' : 'draft' }
}
