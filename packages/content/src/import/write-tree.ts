/** Second part of an import: chunks into packs, entries into manifest pages. */
import { MAX_ROOT_BYTES, type ManifestRoot, ProblemError, problem, type StoredObject } from '@sluice/protocol'
import type { Hands } from '../hands/hands.ts'
import { comparePaths } from '../manifest/entry-path.ts'
import type { Extent, FileEntry } from '../manifest/file-entry.ts'
import { distinctChunks, encodeManifestPage } from '../manifest/manifest.ts'
import { createManifestPager } from '../manifest/manifest-pager.ts'
import { sha256 } from '../pack/hash.ts'
import type { PackWriter } from '../pack/pack.ts'
import { PageKind, type SealedPage, sealPage } from '../page/page-seal.ts'
import type { ImportOptions } from './import-version.ts'
import type { Memory } from './memory.ts'
import { readSource } from './read-source.ts'
import type { ImportSource } from './source.ts'
import type { TreeEntry } from './tree.ts'

/** Pages that are sealed and stored while the next ones are written. */
const PAGES_AT_ONCE = 8

export interface WrittenPage {
  named: ManifestRoot['pages'][number]
  object: StoredObject
}
export interface WrittenTree {
  root: ManifestRoot
  pages: WrittenPage[]
  /** Some of it lay in the library before, or stands in it twice; otherwise the packs hold just this version. */
  shared: boolean
}

export async function writeTree(
  options: ImportOptions,
  parts: { source: ImportSource; hands: Hands; packs: PackWriter; memory: Memory | undefined },
): Promise<WrittenTree> {
  const { source, hands, packs, memory } = parts
  const { index, signal } = options
  const totalBytes = source.survey.totalBytes
  const manifest = createManifestWriter(options)
  /** Of a source that is not sorted: everything, until it can be. */
  const kept = new Map<string, { entry: TreeEntry; extents: Extent[] }>()
  let doneBytes = 0
  let shared = false
  let last: { entry: TreeEntry; extents: Extent[] } | undefined

  for await (const piece of readSource(source.entries(), { hands, index, memory, signal })) {
    if (piece.kind === 'begin') {
      if (last?.entry.kind === 'file') await memory?.remember(last.entry, last.extents)
      last = { entry: piece.entry, extents: [] }
      if (piece.same !== undefined) last.extents = kept.get(piece.same)?.extents ?? []
      if (!source.sorted) kept.set(piece.entry.path, last)
      else if (await manifest.begin(piece.entry)) await packs.endPage()
      continue
    }
    const { extent, bytes } = piece
    shared ||= extent.kind === 'chunk' && bytes === undefined
    if (extent.kind === 'chunk' && bytes !== undefined && !packs.has(extent.id)) await packs.add(extent, bytes)
    if (memory !== undefined || !source.sorted) last?.extents.push(extent)
    if (source.sorted && (await manifest.extend(extent))) await packs.endPage()
    doneBytes += extent.sizeBytes
    options.onProgress?.({ doneBytes, totalBytes })
  }
  if (last?.entry.kind === 'file') await memory?.remember(last.entry, last.extents)
  for (const { entry, extents } of [...kept.values()].sort((a, b) => comparePaths(a.entry.path, b.entry.path))) {
    await manifest.begin(entry)
    for (const extent of extents) await manifest.extend(extent)
  }
  await packs.finish()
  return { ...(await manifest.finish()), shared }
}

function createManifestWriter(options: ImportOptions) {
  const pager = createManifestPager()
  const pages: WrittenPage[] = []
  const root: ManifestRoot = {
    format: 'sluice-manifest/1',
    packageId: options.packageId,
    version: options.version,
    target: options.target,
    fileCount: 0,
    totalBytes: 0,
    chunkCount: 0,
    pages: [],
  }
  let writing: Promise<WrittenPage>[] = []

  async function settle(): Promise<void> {
    const settled = await Promise.all(writing)
    writing = []
    pages.push(...settled)
  }

  /** @returns whether there was a page */
  async function write(entries: FileEntry[] | undefined): Promise<boolean> {
    if (entries === undefined) return false
    const begun = entries.filter((entry) => entry.kind !== 'file' || entry.offset === 0).length
    const chunkCount = distinctChunks(entries).length
    root.fileCount += begun
    root.chunkCount += chunkCount
    const page = writePage(entries, begun, chunkCount)
    page.catch(() => undefined) // `settle` hears of it
    writing.push(page)
    if (writing.length >= PAGES_AT_ONCE) await settle()
    return true
  }

  async function writePage(entries: FileEntry[], fileCount: number, chunkCount: number): Promise<WrittenPage> {
    const plain = encodeManifestPage(entries)
    const object = await putPage(options, await sealPage(PageKind.manifest, plain, options.packageKey))
    return { named: { hash: sha256(plain), sizeBytes: plain.length, fileCount, chunkCount }, object }
  }

  return {
    /** Says, like `extend`, whether a page ended there. */
    begin: (entry: TreeEntry) => write(pager.begin(manifestEntry(entry))),
    extend(extent: Extent) {
      root.totalBytes += extent.sizeBytes
      return write(pager.extend(extent))
    },
    async finish(): Promise<Omit<WrittenTree, 'shared'>> {
      await write(pager.finish())
      await settle()
      root.pages = pages.map(({ named }) => named)
      return { root, pages }
    },
  }
}

export async function putPage(options: ImportOptions, page: SealedPage): Promise<StoredObject> {
  const put = await options.store.put({ kind: 'page', hash: page.hash }, page.bytes, options.signal)
  if (!put.ok) throw new ProblemError(put.problem)
  return { kind: 'page', hash: page.hash, sizeBytes: page.bytes.length }
}

/** The bytes of a root, unless they are too many. */
export function rootBytes(root: object): Buffer {
  const bytes = Buffer.from(JSON.stringify(root))
  if (bytes.length <= MAX_ROOT_BYTES) return bytes
  const detail = `Its root would be ${bytes.length} bytes; ${MAX_ROOT_BYTES} fit.`
  throw new ProblemError(problem('CONTENT_TOO_LARGE', detail))
}

export function manifestEntry(entry: TreeEntry): FileEntry {
  const { path, modifiedMs } = entry
  if (entry.kind === 'symlink') return { kind: 'symlink', path, modifiedMs, target: entry.target }
  if (entry.kind === 'folder') return { kind: 'folder', path, modifiedMs }
  const { executable, sizeBytes } = entry
  return { kind: 'file', path, modifiedMs, executable, sizeBytes, offset: 0, extents: [] }
}
