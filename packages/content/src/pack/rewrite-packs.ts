/**
 * Rewriting of packs of which little is needed any more: what lives in them goes into new packs, and the
 * layout of every version concerned is written anew. The manifest stays what it is.
 *
 *   1. What lives is what the layouts of the versions name, not what an index says.
 *   2. A layout page none of whose chunks moved stays the same object.
 *   3. Chunks that moved already are not copied again: work that broke off goes on.
 */
import { type LayoutRoot, ProblemError, problem, type Sha256, type StoredObject } from '@sluice/protocol'
import { rootBytes } from '../import/write-tree.ts'
import type { ChunkRef } from '../manifest/file-entry.ts'
import { must, openVersion, type StoredVersion, type VersionReader } from '../manifest/version-reader.ts'
import { encodeLayoutPage } from '../page/layout.ts'
import { PageKind, type SealedPage, sealPage } from '../page/page-seal.ts'
import type { Store } from '../stores/store.ts'
import type { ChunkLocation, PackInfo } from './chunk-location.ts'
import { openFrame } from './frame.ts'
import { sha256 } from './hash.ts'
import type { PackWriter } from './pack.ts'

/** Sealed bytes of the frames that live, by where they begin; of each pack that was asked about. */
export type LiveFrames = Map<Sha256, Map<number, number>>

/** Where chunks of rewritten packs lie now; one that did not move yet is not in the map. */
export type Moved = (ids: Sha256[]) => Promise<Map<Sha256, ChunkLocation>>

export interface RewriteOptions {
  store: Store
  /** Of the version's package. */
  packageKey: Uint8Array
  signal?: AbortSignal | undefined
}

export interface MovedVersion {
  /** The sealed layout root. */
  layout: StoredObject
  /** Everything a distribution point must hold for it. */
  objects: StoredObject[]
  storedBytes: number
}

/**
 * Adds the frames of a version that lie in the packs of `live`.
 * @param seen layout pages that were counted for another version: the same page names the same frames
 */
export async function countLiveFrames(
  options: RewriteOptions,
  version: StoredVersion,
  live: LiveFrames,
  seen: Set<Sha256>,
): Promise<void> {
  const reader = await openVersion(options, version)
  for (const [number, { layout }] of reader.layout.root.pages.entries()) {
    if (seen.has(layout)) continue
    seen.add(layout)
    for (const { pack, frameOffset, frameBytes } of await reader.locations(number, await reader.page(number)))
      live.get(pack)?.set(frameOffset, frameBytes)
  }
}

/**
 * Copies the chunks of a version that lie in `from` and have not moved yet.
 * @param maxBytes plain bytes after which it stops
 * @returns plain bytes copied; at least `maxBytes` when it stopped early
 */
export async function copyLiveChunks(
  options: RewriteOptions,
  version: StoredVersion,
  order: { from: ReadonlySet<Sha256>; moved: Moved; writer: PackWriter; maxBytes: number },
): Promise<number> {
  const { from, moved, writer, maxBytes } = order
  const reader = await openVersion(options, version)
  const readChunk = chunkReader(options, reader)
  let copiedBytes = 0
  for (const number of reader.layout.root.pages.keys()) {
    const page = await reader.page(number)
    const places = await reader.locations(number, page)
    const leaving = page.chunks.flatMap((chunk, i) => {
      const at = places[i]
      return at !== undefined && from.has(at.pack) ? [{ chunk, at }] : []
    })
    const there = await moved(leaving.map(({ chunk }) => chunk.id)) // 3
    for (const { chunk, at } of leaving) {
      if (there.has(chunk.id) || writer.has(chunk.id)) continue
      if (copiedBytes >= maxBytes) return copiedBytes
      await writer.add(chunk, await readChunk(chunk, at))
      copiedBytes += chunk.sizeBytes
    }
    await writer.endPage()
  }
  return copiedBytes
}

/**
 * Writes the layout of a version after its chunks in `from` have moved; the objects are durable when it returns.
 * @param packs what is known of packs that `moved` names
 */
export async function moveVersion(
  options: RewriteOptions,
  version: StoredVersion,
  order: { from: ReadonlySet<Sha256>; moved: Moved; packs(hashes: Sha256[]): Promise<Map<Sha256, PackInfo>> },
): Promise<MovedVersion> {
  const { from, moved } = order
  const reader = await openVersion(options, version)
  const pages: LayoutRoot['pages'] = []
  const used: LiveFrames = new Map()
  for (const number of reader.layout.root.pages.keys()) {
    const page = await reader.page(number)
    const before = await reader.locations(number, page)
    const leaving = page.chunks.filter((_, i) => from.has((before[i] as ChunkLocation).pack)).map(({ id }) => id)
    const there = await moved(leaving)
    const places = page.chunks.map((chunk, i) => {
      const at = before[i] as ChunkLocation
      if (!from.has(at.pack)) return at
      const now = there.get(chunk.id)
      if (now === undefined) throw new ProblemError(problem('BUSY', `The chunk ${chunk.id} was condemned meanwhile.`))
      return now
    })
    for (const { pack, frameOffset, frameBytes } of places) {
      const frames = used.get(pack) ?? new Map<number, number>()
      used.set(pack, frames.set(frameOffset, frameBytes))
    }
    const named = reader.named(number)
    if (leaving.length === 0)
      pages.push(named) // 2
    else {
      const sealed = await sealPage(PageKind.layout, encodeLayoutPage(page.chunks, places), options.packageKey)
      const { hash, sizeBytes } = await put(options, sealed)
      pages.push({ ...named, layout: hash, layoutBytes: sizeBytes })
    }
  }
  const unknown = [...used.keys()].filter((hash) => !reader.layout.packs.has(hash))
  const added = await order.packs(unknown)
  const packs = [...used.keys()].map((hash) => {
    const info = reader.layout.packs.get(hash) ?? added.get(hash)
    if (info === undefined) throw new ProblemError(problem('BUSY', `The pack ${hash} was condemned meanwhile.`))
    return info
  })
  const root: LayoutRoot = {
    format: 'sluice-layout/1',
    contentId: version.contentId,
    pages,
    packs: packs.map(({ hash, sizeBytes, salt }) => ({ hash, sizeBytes, salt: Buffer.from(salt).toString('base64') })),
  }
  const layout = await put(options, await sealPage(PageKind.layoutRoot, rootBytes(root), options.packageKey))
  const objects = new Map<Sha256, StoredObject>([[layout.hash, layout]])
  for (const { hash, sizeBytes } of packs) objects.set(hash, { kind: 'pack', hash, sizeBytes })
  for (const page of pages) {
    objects.set(page.manifest, { kind: 'page', hash: page.manifest, sizeBytes: page.manifestBytes })
    objects.set(page.layout, { kind: 'page', hash: page.layout, sizeBytes: page.layoutBytes })
  }
  let storedBytes = 0
  for (const frames of used.values()) for (const sizeBytes of frames.values()) storedBytes += sizeBytes
  return { layout, objects: [...objects.values()], storedBytes }
}

async function put({ store, signal }: RewriteOptions, page: SealedPage): Promise<StoredObject> {
  must(await store.put({ kind: 'page', hash: page.hash }, page.bytes, signal))
  return { kind: 'page', hash: page.hash, sizeBytes: page.bytes.length }
}

/** Chunks from their frames; keeps the last one, for neighbours share it. The bytes are the caller's. */
function chunkReader({ store, signal }: RewriteOptions, { layout }: VersionReader) {
  let last: { at: ChunkLocation; plain: Uint8Array } | undefined
  return async (chunk: ChunkRef, at: ChunkLocation): Promise<Uint8Array> => {
    const range = { start: at.frameOffset, end: at.frameOffset + at.frameBytes }
    const salt = layout.packs.get(at.pack)?.salt ?? new Uint8Array(0)
    const frame = { hash: at.frameHash, salt }
    if (last?.at.pack !== at.pack || last.at.frameOffset !== at.frameOffset) {
      const { body } = must(await store.get({ kind: 'pack', hash: at.pack }, range, signal))
      last = { at, plain: must(openFrame(Buffer.concat(await body.toArray()), frame, [])) }
    }
    const bytes = last.plain.slice(at.offsetInFrame, at.offsetInFrame + chunk.sizeBytes)
    if (sha256(bytes) === chunk.id) return bytes
    throw new ProblemError(problem('CONTENT_CORRUPT', `The chunk ${chunk.id} is not where its layout says.`))
  }
}
