/**
 * Contents on this device, by what they are. A content is put together in `incoming/<id>` and becomes
 * visible as `contents/<id>` when all of it is there and flushed; nobody is ever given another folder.
 *
 * A step gets that folder itself: no copy, no second place on the disk. It is read-only by its modes,
 * but a step runs as root and may write all the same; therefore every hand-over hashes the content
 * again and mends what was changed (`run/acquire.ts`), and the cache promises nothing about bytes.
 *
 *   C1. What a run may need is leased in the transaction that starts the run, and until it ends.
 *   C2. Only contents without a lease are evicted, the least recently used first, none before its
 *       minimum age, and only when size limit or disk want it. A running sequence may exceed the
 *       limit: it says what stays, the disk says what fits.
 *   C3. A row goes before its folder, and a folder without a row is removed at the next start.
 */
import { mkdir, readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ContentId,
  failed,
  ok,
  type PackageId,
  problem,
  type Result,
  type RunId,
  type Sha256,
} from '@sluice/protocol'
import { makeFolder, syncFolder } from '../state/durable-file.ts'
import type { State } from '../state/state.ts'

export interface CacheLimits {
  /** What may stay when no run needs it, in bytes (configmgr-behaviour §5.9: 5,120 MB). */
  maxBytes: number
  /** The same as a share of the disk, 0 to 100; the smaller of both counts. */
  maxPercent: number
  /** Nothing that was used in this time is evicted (§5.9: 24 hours). */
  minAgeMs: number
}

export const defaultCacheLimits: CacheLimits = {
  maxBytes: 5120 * 1024 * 1024,
  maxPercent: 100,
  minAgeMs: 24 * 3600_000,
}

/** What opens the content again without asking the site. */
export interface CacheKey {
  packageKey: Uint8Array
  layout: { hash: Sha256; sizeBytes: number }
}

export interface Cache {
  /** The folder of a complete content. */
  folderOf(contentId: ContentId): string
  /** The folder in which a content is put together. */
  incomingOf(contentId: ContentId): string
  /** Undefined when nothing of it is here. */
  find(contentId: ContentId): { complete: boolean; key: CacheKey | undefined } | undefined
  /** Something of the content will be here. */
  begin(content: { contentId: ContentId; packageId: PackageId }): void
  /**
   * Makes room for `totalBytes` plain bytes of a content, some of which may be here already. `NO_SPACE`
   * says how much is missing.
   */
  reserve(contentId: ContentId, totalBytes: number): Promise<Result<void>>
  /** The incoming folder is whole and flushed: from now on it is the content. Durable when it returns. */
  publish(contentId: ContentId, key: CacheKey, totalBytes: number): Promise<void>
  /** It was given to somebody now. */
  touch(contentId: ContentId): void
  /** C1. Call it in the transaction that pins the contents. */
  lease(runId: RunId, contentIds: readonly ContentId[]): void
  /** The run has ended. Call it in the transaction that says so. */
  release(runId: RunId): void
  /** Makes folders and rows agree (C3). Call it once, before anything else. */
  scan(): Promise<void>
  /** Removes what is beyond the limit. */
  trim(): Promise<void>
}

const MiB = 1024 * 1024
/**
 * What must stay free beyond the bytes themselves: for the file system's own needs, the journal and the
 * step that runs next. Less than the 10 % and 256 MiB of security-reliability C5, which would refuse
 * upgrades that fit on the small disks of real devices.
 */
const marginOf = (bytes: number) => 32 * MiB + Math.ceil(bytes / 20)

/** @param folder for the cache only; @param now milliseconds since 1970 */
export async function openCache(options: {
  folder: string
  state: State
  now: () => number
  limits?: CacheLimits
}): Promise<Cache> {
  const { folder, state, now, limits = defaultCacheLimits } = options
  const { db } = state
  for (const name of ['contents', 'incoming', 'trash']) await makeFolder(join(folder, name))
  const folderOf = (contentId: string) => join(folder, 'contents', contentId)
  const incomingOf = (contentId: string) => join(folder, 'incoming', contentId)

  const select = db.prepare(
    'SELECT complete, package_key, layout_hash, layout_bytes FROM cache_content WHERE content_id = ?',
  )
  const insert = db.prepare(
    'INSERT OR IGNORE INTO cache_content (content_id, package_id, complete, size_bytes, used_at) VALUES (?, ?, 0, 0, ?)',
  )
  const complete = db.prepare(
    'UPDATE cache_content SET complete = 1, size_bytes = ?, used_at = ?, package_key = ?, layout_hash = ?, layout_bytes = ? WHERE content_id = ?',
  )
  const use = db.prepare('UPDATE cache_content SET used_at = ? WHERE content_id = ?')
  const resize = db.prepare('UPDATE cache_content SET size_bytes = ? WHERE content_id = ?')
  const remove = db.prepare('DELETE FROM cache_content WHERE content_id = ?')
  const forgetPages = db.prepare('DELETE FROM download_page WHERE content_id = ?')
  const total = db.prepare('SELECT coalesce(sum(size_bytes), 0) AS bytes FROM cache_content')
  const idle = db.prepare(
    'SELECT content_id FROM cache_content WHERE used_at <= ? AND content_id <> ? AND content_id NOT IN (SELECT content_id FROM cache_lease) ORDER BY used_at LIMIT 1',
  )
  const addLease = db.prepare('INSERT OR IGNORE INTO cache_lease (run_id, content_id) VALUES (?, ?)')
  const endLease = db.prepare('DELETE FROM cache_lease WHERE run_id = ?')

  /** C2, C3. False when nothing more can go. */
  const evictOne = async (except: string): Promise<boolean> => {
    const found = idle.get(now() - limits.minAgeMs, except)?.content_id
    if (typeof found !== 'string') return false
    state.transaction(() => {
      remove.run(found)
      forgetPages.run(found)
    })
    await removeFolders(found)
    return true
  }
  const removeFolders = async (contentId: string) => {
    for (const path of [folderOf(contentId), incomingOf(contentId)]) {
      // In one step out of sight: what a crash leaves half removed is in the trash.
      const trash = join(folder, 'trash', `${contentId}-${process.hrtime.bigint()}`)
      await rename(path, trash).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error
      })
      await rm(trash, { recursive: true, force: true })
    }
  }
  const limitBytes = async () => {
    const disk = await statfs(folder)
    return Math.min(limits.maxBytes, (disk.blocks * disk.bsize * limits.maxPercent) / 100)
  }
  const freeBytes = async () => {
    const disk = await statfs(folder)
    return disk.bavail * disk.bsize
  }
  const trimTo = async (limit: number, except: string) => {
    while (Number(total.get()?.bytes) > limit) if (!(await evictOne(except))) return
  }

  return {
    folderOf,
    incomingOf,
    find(contentId) {
      const row = select.get(contentId)
      if (row === undefined) return undefined
      const { package_key: packageKey, layout_hash: hash, layout_bytes: sizeBytes } = row
      const key =
        packageKey instanceof Uint8Array
          ? { packageKey, layout: { hash: hash as Sha256, sizeBytes: Number(sizeBytes) } }
          : undefined
      return { complete: row.complete === 1, key }
    },
    begin: ({ contentId, packageId }) => void insert.run(contentId, packageId, now()),
    async reserve(contentId, totalBytes) {
      await trimTo((await limitBytes()) - totalBytes, contentId)
      const lacking = Math.max(0, totalBytes - (await allocatedBytes(incomingOf(contentId))))
      const needed = lacking === 0 ? 0 : lacking + marginOf(lacking)
      while ((await freeBytes()) < needed) {
        if (await evictOne(contentId)) continue
        const free = await freeBytes()
        const mb = (bytes: number) => `${Math.ceil(bytes / MiB)} MiB`
        return failed(
          problem(
            'NO_SPACE',
            `${mb(needed)} are needed in ${folder}, ${mb(free)} are free: ${mb(needed - free)} more.`,
          ),
        )
      }
      resize.run(totalBytes, contentId)
      return ok(undefined)
    },
    async publish(contentId, { packageKey, layout }, totalBytes) {
      await rm(folderOf(contentId), { recursive: true, force: true })
      await rename(incomingOf(contentId), folderOf(contentId))
      await syncFolder(join(folder, 'contents'))
      await syncFolder(join(folder, 'incoming'))
      state.transaction(() => {
        complete.run(totalBytes, now(), packageKey, layout.hash, layout.sizeBytes, contentId)
        forgetPages.run(contentId)
      })
    },
    touch: (contentId) => void use.run(now(), contentId),
    lease(runId, contentIds) {
      for (const contentId of contentIds) addLease.run(runId, contentId)
    },
    release: (runId) => void endLease.run(runId),
    async scan() {
      await rm(join(folder, 'trash'), { recursive: true, force: true })
      await mkdir(join(folder, 'trash'), { mode: 0o700 })
      const rows = new Set(
        db
          .prepare('SELECT content_id FROM cache_content')
          .all()
          .map((row) => String(row.content_id)),
      )
      for (const contentId of await namesIn(folder)) if (!rows.has(contentId)) await removeFolders(contentId)
      for (const contentId of rows) {
        const [whole, incoming] = [await isFolder(folderOf(contentId)), await isFolder(incomingOf(contentId))]
        const isComplete = select.get(contentId)?.complete === 1
        // Killed between the new name and the row: it only needs to be looked through again.
        if (whole && !isComplete && !incoming) await rename(folderOf(contentId), incomingOf(contentId))
        if (whole || (incoming && !isComplete)) continue
        state.transaction(() => {
          remove.run(contentId)
          forgetPages.run(contentId)
        })
      }
    },
    async trim() {
      await trimTo(await limitBytes(), '')
    },
  }
}

const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true

async function namesIn(folder: string): Promise<Set<string>> {
  return new Set([...(await readdir(join(folder, 'contents'))), ...(await readdir(join(folder, 'incoming')))])
}

/** What files below a folder take on the disk; holes take nothing. */
async function allocatedBytes(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])) {
    if (!entry.isFile()) continue
    bytes += ((await stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.blocks ?? 0) * 512
  }
  return bytes
}
