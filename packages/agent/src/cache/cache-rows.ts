/**
 * The cache as rows: what is here, for whom, and who has leased it. For the agent and for the command
 * `sluice-agent cache`, which may work on the same database at the same time.
 */
import { renameSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { ContentId, PackageId, Sha256 } from '@sluice/protocol'
import { type EntryId, readEntryId } from './entry.ts'

/** What opens the content again without asking the site. */
export interface CacheKey {
  packageKey: Uint8Array
  layout: { hash: Sha256; sizeBytes: number }
}

export interface CacheRow {
  entryId: EntryId
  contentId: ContentId
  /** Some files of the content only. */
  part: boolean
  packageId: PackageId
  /** Source version of the package; 0 where it was not noted. */
  version: number
  complete: boolean
  /** Plain bytes of its files. */
  sizeBytes: number
  /** Milliseconds since 1970. */
  usedAt: number
  /** The package says *Persist content in the client cache*. */
  persist: boolean
  /** `sluice-agent cache pin`. */
  pinned: boolean
  /** A run, or what fetches in the background, needs it. */
  leased: boolean
  key: CacheKey | undefined
}

export interface CacheRows {
  all(): CacheRow[]
  find(entryId: EntryId): CacheRow | undefined
  insert(row: Pick<CacheRow, 'entryId' | 'packageId' | 'version' | 'persist'>, now: number): void
  complete(entryId: EntryId, sizeBytes: number, key: CacheKey, now: number): void
  incomplete(entryId: EntryId): void
  resize(entryId: EntryId, sizeBytes: number): void
  use(entryId: EntryId, now: number): void
  persist(packageId: PackageId, persist: boolean): void
  pin(entryId: EntryId, pinned: boolean): void
  /** Plain bytes of all entries. */
  totalBytes(): number
  /** What may go first, of all that nobody used after `usedBefore`. @param spare nothing of this package */
  idle(usedBefore: number, except?: EntryId, spare?: PackageId): EntryId | undefined
  lease(holder: string, contentIds: readonly ContentId[]): void
  release(holder: string): void
  /** Who holds leases. */
  holders(): string[]
  /**
   * Takes an entry away, row and folders. Gives what the caller is to delete: folders in the trash. Call it
   * in a transaction, so that nobody begins the entry anew meanwhile. What a crash leaves behind between
   * the two is an entry without its folder, which the next scan removes and a download mends.
   */
  remove(entryId: EntryId): string[]
}

export const cacheFolders = ['contents', 'incoming', 'trash'] as const
export const entryPath = (folder: string, kind: (typeof cacheFolders)[number], entryId: EntryId) =>
  join(folder, kind, entryId)

/** @param folder of the cache */
export function createCacheRows(db: DatabaseSync, folder: string): CacheRows {
  const columns = `content_id, package_id, version, complete, size_bytes, used_at, persist, pinned,
    package_key, layout_hash, layout_bytes,
    substr(content_id, 1, 64) IN (SELECT content_id FROM cache_lease) AS leased`
  const selectAll = db.prepare(`SELECT ${columns} FROM cache_content ORDER BY used_at DESC`)
  const select = db.prepare(`SELECT ${columns} FROM cache_content WHERE content_id = ?`)
  const insert = db.prepare(
    `INSERT INTO cache_content (content_id, package_id, version, persist, complete, size_bytes, used_at) VALUES (?, ?, ?, ?, 0, 0, ?)
     ON CONFLICT DO UPDATE SET package_id = excluded.package_id, version = excluded.version, persist = excluded.persist`,
  )
  const complete = db.prepare(
    'UPDATE cache_content SET complete = 1, size_bytes = ?, used_at = ?, package_key = ?, layout_hash = ?, layout_bytes = ? WHERE content_id = ?',
  )
  const incomplete = db.prepare('UPDATE cache_content SET complete = 0 WHERE content_id = ?')
  const use = db.prepare('UPDATE cache_content SET used_at = ? WHERE content_id = ?')
  const resize = db.prepare('UPDATE cache_content SET size_bytes = ? WHERE content_id = ?')
  const persist = db.prepare('UPDATE cache_content SET persist = ? WHERE package_id = ?')
  const pin = db.prepare('UPDATE cache_content SET pinned = ? WHERE content_id = ?')
  const remove = db.prepare('DELETE FROM cache_content WHERE content_id = ?')
  const forgetPages = db.prepare('DELETE FROM download_page WHERE content_id = ?')
  const total = db.prepare('SELECT coalesce(sum(size_bytes), 0) AS bytes FROM cache_content')
  const idle = db.prepare(
    `SELECT content_id FROM cache_content WHERE used_at <= ? AND content_id <> ? AND package_id <> ? AND persist = 0 AND pinned = 0
     AND substr(content_id, 1, 64) NOT IN (SELECT content_id FROM cache_lease) ORDER BY used_at LIMIT 1`,
  )
  const addLease = db.prepare('INSERT OR IGNORE INTO cache_lease (run_id, content_id) VALUES (?, ?)')
  const endLease = db.prepare('DELETE FROM cache_lease WHERE run_id = ?')
  const leaseHolders = db.prepare('SELECT DISTINCT run_id FROM cache_lease')

  return {
    all: () => selectAll.all().flatMap((row) => readRow(row) ?? []),
    find(entryId) {
      const row = select.get(entryId)
      return row === undefined ? undefined : readRow(row)
    },
    insert: (row, now) => void insert.run(row.entryId, row.packageId, row.version, Number(row.persist), now),
    complete(entryId, sizeBytes, { packageKey, layout }, now) {
      complete.run(sizeBytes, now, packageKey, layout.hash, layout.sizeBytes, entryId)
      forgetPages.run(entryId)
    },
    incomplete: (entryId) => void incomplete.run(entryId),
    resize: (entryId, sizeBytes) => void resize.run(sizeBytes, entryId),
    use: (entryId, now) => void use.run(now, entryId),
    persist: (packageId, wanted) => void persist.run(Number(wanted), packageId),
    pin: (entryId, pinned) => void pin.run(Number(pinned), entryId),
    totalBytes: () => Number(total.get()?.bytes),
    idle: (usedBefore, except, spare) =>
      idle.get(usedBefore, except ?? '', spare ?? '')?.content_id as EntryId | undefined,
    lease(holder, contentIds) {
      for (const contentId of contentIds) addLease.run(holder, contentId)
    },
    release: (holder) => void endLease.run(holder),
    holders: () => leaseHolders.all().map((row) => String(row.run_id)),
    remove(entryId) {
      const trashed: string[] = []
      for (const kind of ['contents', 'incoming'] as const) {
        const trash = join(folder, 'trash', `${entryId}-${process.pid}-${process.hrtime.bigint()}`)
        try {
          renameSync(entryPath(folder, kind, entryId), trash)
          trashed.push(trash)
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        }
      }
      remove.run(entryId)
      forgetPages.run(entryId)
      return trashed
    },
  }
}

function readRow(row: Record<string, unknown>): CacheRow | undefined {
  const entry = readEntryId(String(row.content_id))
  if (entry === undefined) return undefined
  const { package_key: packageKey, layout_hash: hash, layout_bytes: sizeBytes } = row
  return {
    ...entry,
    packageId: String(row.package_id) as PackageId,
    version: Number(row.version),
    complete: row.complete === 1,
    sizeBytes: Number(row.size_bytes),
    usedAt: Number(row.used_at),
    persist: row.persist === 1,
    pinned: row.pinned === 1,
    leased: row.leased === 1,
    key:
      packageKey instanceof Uint8Array
        ? { packageKey, layout: { hash: String(hash) as Sha256, sizeBytes: Number(sizeBytes) } }
        : undefined,
  }
}
