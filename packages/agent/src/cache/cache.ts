/**
 * Contents on this device, by what they are. A content is put together in `incoming/<entry>` and becomes
 * visible as `contents/<entry>` when all of it is there and flushed; nobody is ever given another folder.
 *
 * A step gets that folder itself: no copy, no second place on the disk. It is read-only by its modes,
 * but a step runs as root and may write all the same; therefore every hand-over hashes the content
 * again and mends what was changed (`run/acquire.ts`), and the cache promises nothing about bytes.
 *
 *   C1. What a run may need is leased in the transaction that starts the run, and until it ends.
 *   C2. Only what is not leased, not to persist and not pinned is evicted: the least recently used first,
 *       none before its minimum age, and only when size limit or disk want it. A running sequence may
 *       exceed the limit: it says what stays, the disk says what fits.
 *   C3. Row and folder go in one transaction; a folder without a row, and a row without a folder, are
 *       removed at the next start.
 *   C4. The command `sluice-agent cache` works on the same rows: whoever takes an entry away looks at its
 *       leases in the same transaction.
 */
import { readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type ContentId, failed, ok, type PackageId, problem, type Result } from '@sluice/protocol'
import { makeFolder, syncFolder } from '../state/durable-file.ts'
import type { State } from '../state/state.ts'
import { type CacheKey, type CacheRow, cacheFolders, createCacheRows, entryPath } from './cache-rows.ts'
import type { EntryId } from './entry.ts'
import { scanCache } from './scan.ts'

export interface CacheLimits {
  /** What may stay when no run needs it, in bytes. */
  maxBytes: number
  /** The same as a share of the disk, 0 to 100; the smaller of both counts. */
  maxPercent: number
  /** Nothing that was used in this time is evicted. */
  minimumAgeMs: number
}

export interface Cache {
  /** The folder of a complete entry. */
  folderOf(entryId: EntryId): string
  /** The folder in which an entry is put together. */
  incomingOf(entryId: EntryId): string
  /** Undefined when nothing of it is here. */
  find(entryId: EntryId): CacheRow | undefined
  /** Everything that is here, the latest used first. */
  all(): CacheRow[]
  /** Something of the entry will be here. */
  begin(entry: Pick<CacheRow, 'entryId' | 'packageId' | 'version' | 'persist'>): void
  /**
   * Makes room for `totalBytes` plain bytes of an entry, some of which may be here already. `NO_SPACE`
   * says how much is missing.
   */
  reserve(entryId: EntryId, totalBytes: number): Promise<Result<void>>
  /** The incoming folder is whole and flushed: from now on it is the content. Durable when it returns. */
  publish(entryId: EntryId, key: CacheKey, totalBytes: number): Promise<void>
  /** It was given to somebody now. */
  touch(entryId: EntryId): void
  /** Whether the package's contents persist, as policy says now. */
  persist(packageId: PackageId, persist: boolean): void
  /** C1. Call it in the transaction that pins the contents. @param holder a run, or what fetches in the background */
  lease(holder: string, contentIds: readonly ContentId[]): void
  /** The holder needs them no more; for a run, call it in the transaction that says so. */
  release(holder: string): void
  /** Ends the leases of holders that are gone. */
  releaseOthers(isThere: (holder: string) => boolean): void
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

/**
 * @param options.folder for the cache only
 * @param options.now milliseconds since 1970
 * @param options.limits as they are when they are asked for
 */
export async function openCache(options: {
  folder: string
  state: State
  now: () => number
  limits: () => CacheLimits
}): Promise<Cache> {
  const { folder, state, now, limits } = options
  for (const name of cacheFolders) await makeFolder(join(folder, name))
  const rows = createCacheRows(state.db, folder)
  const folderOf = (entryId: EntryId) => entryPath(folder, 'contents', entryId)
  const incomingOf = (entryId: EntryId) => entryPath(folder, 'incoming', entryId)

  /** C2, C3, C4. False when nothing more can go. */
  const evictOne = async (except?: EntryId, spare?: PackageId): Promise<boolean> => {
    const trashed = state.transaction(() => {
      const found = rows.idle(now() - limits().minimumAgeMs, except, spare)
      return found === undefined ? undefined : rows.remove(found)
    })
    for (const path of trashed ?? []) await rm(path, { recursive: true, force: true })
    return trashed !== undefined
  }
  const limitBytes = async () => {
    const disk = await statfs(folder)
    const { maxBytes, maxPercent } = limits()
    return Math.min(maxBytes, (disk.blocks * disk.bsize * maxPercent) / 100)
  }
  const freeBytes = async () => {
    const disk = await statfs(folder)
    return disk.bavail * disk.bsize
  }
  const trimTo = async (limit: number, except?: EntryId, spare?: PackageId) => {
    while (rows.totalBytes() > limit) if (!(await evictOne(except, spare))) return
  }

  return {
    folderOf,
    incomingOf,
    find: rows.find,
    all: rows.all,
    begin: (entry) => rows.insert(entry, now()),
    async reserve(entryId, totalBytes) {
      // Older versions supply chunks to the new one: they go when the disk wants it, or after the run.
      const own = rows.find(entryId)?.packageId
      await trimTo((await limitBytes()) - totalBytes, entryId, own)
      const lacking = Math.max(0, totalBytes - (await allocatedBytes(incomingOf(entryId))))
      const needed = lacking === 0 ? 0 : lacking + marginOf(lacking)
      while ((await freeBytes()) < needed) {
        if ((await evictOne(entryId, own)) || (await evictOne(entryId))) continue
        const free = await freeBytes()
        const mb = (bytes: number) => `${Math.ceil(bytes / MiB)} MiB`
        return failed(
          problem(
            'NO_SPACE',
            `${mb(needed)} are needed in ${folder}, ${mb(free)} are free: ${mb(needed - free)} more.`,
          ),
        )
      }
      rows.resize(entryId, totalBytes)
      return ok(undefined)
    },
    async publish(entryId, key, totalBytes) {
      await rm(folderOf(entryId), { recursive: true, force: true })
      await rename(incomingOf(entryId), folderOf(entryId))
      await syncFolder(join(folder, 'contents'))
      await syncFolder(join(folder, 'incoming'))
      state.transaction(() => rows.complete(entryId, totalBytes, key, now()))
    },
    touch: (entryId) => rows.use(entryId, now()),
    persist: rows.persist,
    lease: rows.lease,
    release: rows.release,
    releaseOthers(isThere) {
      for (const holder of rows.holders()) if (!isThere(holder)) rows.release(holder)
    },
    scan: () => scanCache(folder, rows, state),
    async trim() {
      await trimTo(await limitBytes())
    },
  }
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
