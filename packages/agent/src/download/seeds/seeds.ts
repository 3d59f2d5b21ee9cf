/**
 * Chunks that are on this device already: in other contents of the cache, older versions first, and in files
 * that the configuration names.
 *
 * Owns: finding them. Does not own: writing them, and what is fetched because nobody has it.
 *
 *   E1. A seed is worth exactly what its hash says: every chunk is hashed when it is read.
 *   E2. A seed that is not there any more, or is another, is no failure: the chunk is fetched.
 *   E3. Nothing is fetched to find a seed, and what is kept in memory for it is bounded.
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { type ManifestPage, sha256 } from '@sluice/content'
import type { PackageId } from '@sluice/protocol'
import type { Cache } from '../../cache/cache.ts'
import type { CacheRow } from '../../cache/cache-rows.ts'
import type { EntryId } from '../../cache/entry.ts'
import type { LackingChunk, Place } from '../frame-plan.ts'
import type { PageFolder } from '../page-folder.ts'
import { type CachedPages, openCachedPages } from './cached-pages.ts'
import { type ChunkIndex, createChunkIndex } from './chunk-index.ts'
import type { LocalFiles } from './local-files.ts'

export interface Seeds {
  /**
   * Finds chunks on this device.
   * @param take gets each with its bytes, verified; awaited before the next one
   */
  supply(
    lacking: readonly LackingChunk[],
    take: (chunk: LackingChunk, bytes: Uint8Array) => Promise<void>,
  ): Promise<void>
}

/** About 30 MB of memory while a content is fetched. */
const MOST_CHUNKS = 1_000_000
/** Below this, local files are not worth reading. */
const LEAST_LOCAL_BYTES = 1024 * 1024
const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = constants

/**
 * Seeds for one download.
 * @param options.entryId what is being put together: no seed of itself
 * @param options.localFiles read when it is first asked for
 */
export function createSeeds(options: {
  entryId: EntryId
  packageId: PackageId
  cache: Pick<Cache, 'all' | 'folderOf'>
  pages: PageFolder
  localFiles: () => Promise<LocalFiles>
  signal: AbortSignal
}): Seeds {
  const { entryId, packageId, cache, pages, localFiles, signal } = options
  let indexed: Promise<CachedIndex> | undefined

  return {
    async supply(lacking, take) {
      if (lacking.length === 0) return
      indexed ??= indexCache(seedRows(cache.all(), entryId, packageId), pages, signal)
      const { index, pageAt } = await indexed
      const left = new Set(lacking)
      const read = createReader()
      const offer = async (chunk: LackingChunk, place: Place): Promise<void> => {
        signal.throwIfAborted()
        const bytes = await read.chunk(place, chunk.sizeBytes)
        // E1
        if (bytes === undefined || sha256(bytes) !== chunk.id) return
        await take(chunk, bytes)
        left.delete(chunk)
      }
      try {
        for (const [at, chunks] of Map.groupBy(lacking, ({ id }) => index.find(id))) {
          const found = at === undefined ? undefined : await pageAt(at)
          if (found === undefined) continue
          const folder = cache.folderOf(found.row.entryId)
          for (const [chunk, place] of placesIn(found.page, chunks))
            await offer(chunk, { path: join(folder, place.path), offset: place.offset })
        }
        const leftBytes = [...left].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
        if (leftBytes < LEAST_LOCAL_BYTES) return
        const local = await localFiles()
        for (const chunk of [...left]) {
          const place = local.find(chunk.id)
          if (place !== undefined) await offer(chunk, place)
        }
      } finally {
        await read.close()
      }
    },
  }
}

interface CachedIndex {
  index: ChunkIndex
  /** By the number that the index gives. */
  pageAt(at: number): Promise<{ row: CacheRow; page: ManifestPage } | undefined>
}

/** Other versions of the package first, and what was used last. */
function seedRows(rows: readonly CacheRow[], entryId: EntryId, packageId: PackageId): CacheRow[] {
  const seeds = rows.filter((row) => row.complete && row.entryId !== entryId)
  const own = (row: CacheRow) => (row.packageId === packageId ? 0 : 1)
  return seeds.sort((a, b) => own(a) - own(b) || b.usedAt - a.usedAt)
}

async function indexCache(rows: readonly CacheRow[], pages: PageFolder, signal: AbortSignal): Promise<CachedIndex> {
  const index = createChunkIndex(MOST_CHUNKS)
  const known: { row: CacheRow; pages: CachedPages; number: number }[] = []
  for (const row of rows) {
    const opened = index.size() < MOST_CHUNKS ? await openCachedPages(row, pages) : undefined
    for (let number = 0; opened !== undefined && number < opened.pageCount; number++) {
      signal.throwIfAborted()
      const page = await opened.page(number)
      if (page === undefined) continue
      const at = known.push({ row, pages: opened, number }) - 1
      for (const { id } of page.chunks) index.add(id, at)
    }
  }
  return {
    index,
    async pageAt(at) {
      const found = known[at]
      const page = await found?.pages.page(found.number)
      return found === undefined || page === undefined ? undefined : { row: found.row, page }
    },
  }
}

/** Where wanted chunks lie in the files of a page, in the order of the files. */
function* placesIn(page: ManifestPage, wanted: readonly LackingChunk[]): Generator<[LackingChunk, Place]> {
  const open = new Map(wanted.map((chunk) => [chunk.id, chunk]))
  for (const entry of page.entries) {
    if (entry.kind !== 'file') continue
    let { offset } = entry
    for (const extent of entry.extents) {
      const chunk = extent.kind === 'chunk' ? open.get(extent.id) : undefined
      if (chunk !== undefined) {
        open.delete(chunk.id)
        yield [chunk, { path: entry.path, offset }]
      }
      offset += extent.sizeBytes
    }
  }
}

/** Reads stretches of files; neighbours of one file need no second opening. */
function createReader() {
  let current: { path: string; file: FileHandle | undefined } | undefined
  const close = async () => {
    await current?.file?.close()
    current = undefined
  }
  return {
    close,
    /** Undefined when it is not there (E2). */
    async chunk({ path, offset }: Place, sizeBytes: number): Promise<Uint8Array | undefined> {
      if (current?.path !== path) {
        await close()
        const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined)
        current = { path, file }
      }
      const bytes = Buffer.allocUnsafe(sizeBytes)
      const read = await current.file?.read(bytes, 0, sizeBytes, offset).catch(() => undefined)
      return read?.bytesRead === sizeBytes ? bytes : undefined
    },
  }
}
