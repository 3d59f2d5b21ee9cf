/**
 * The manifest root of a folder, computed without storing anything: what a workstation compares with
 * what a site wants to have released. The same folder gives the same bytes as an import.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ContentTarget,
  failed,
  type ManifestRoot,
  ok,
  type PackageId,
  ProblemError,
  type Result,
} from '@sluice/protocol'
import { createHands } from '../hands/hands.ts'
import { folderSource } from '../import/folder-source.ts'
import { refusal } from '../import/import-version.ts'
import { readSource } from '../import/read-source.ts'
import type { TreeEntry } from '../import/tree.ts'
import { manifestEntry, rootBytes } from '../import/write-tree.ts'
import type { ChunkIndex } from '../pack/chunk-location.ts'
import { sha256 } from '../pack/hash.ts'
import { comparePaths } from './entry-path.ts'
import type { Extent, FileEntry } from './file-entry.ts'
import { distinctChunks, encodeManifestPage } from './manifest.ts'
import { createManifestPager } from './manifest-pager.ts'

export interface FolderManifest {
  /** Byte for byte what the catalogue lists. */
  root: Buffer
  /** A line for each entry, for people: path, size and a hash over its chunks. */
  listing: string[]
  /** Paths of the entries of each page, in the order of the root's pages. */
  pagePaths: string[][]
}

export interface FolderOptions {
  folder: string
  packageId: PackageId
  version: number
  target: ContentTarget
  signal?: AbortSignal | undefined
}

/** `CONTENT_NOT_SAFE`, `CONTENT_UNREADABLE`, `CONTENT_TOO_LARGE`, `CONTENT_CHANGED_DURING_IMPORT`. */
export async function manifestOfFolder(options: FolderOptions): Promise<Result<FolderManifest>> {
  const { folder, target, signal } = options
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-manifest-'))
  const hands = createHands()
  const stop = () => void hands.letGo()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    const source = await folderSource(folder)({ hands, target, scratch: join(scratch, 'entries'), signal })
    if (!source.ok) return source
    const refused = refusal(source.value.survey)
    if (refused !== undefined) return failed(refused)
    const read: ReadEntry[] = []
    const reading = { hands, index: nothingIsNew, memory: undefined, signal }
    for await (const piece of readSource(source.value.entries(), reading)) {
      if (piece.kind === 'begin') read.push({ entry: piece.entry, extents: [] })
      else read.at(-1)?.extents.push(piece.extent)
    }
    await source.value.close()
    return ok(manifestOf(options, read))
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof ProblemError) return failed(error.problem)
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    await hands.letGo()
    await rm(scratch, { recursive: true })
  }
}

interface ReadEntry {
  entry: TreeEntry
  extents: Extent[]
}

/** Every chunk is known, so nobody keeps its bytes. */
const nothingIsNew: Pick<ChunkIndex, 'find'> = {
  find: async (ids) => new Map(ids.map((id) => [id, []])),
}

function manifestOf({ packageId, version, target }: FolderOptions, read: ReadEntry[]): FolderManifest {
  const pager = createManifestPager()
  const pagePaths: string[][] = []
  const listing: string[] = []
  const root: ManifestRoot = {
    format: 'sluice-manifest/1',
    packageId,
    version,
    target,
    fileCount: 0,
    totalBytes: 0,
    chunkCount: 0,
    pages: [],
  }
  function write(entries: FileEntry[] | undefined): void {
    if (entries === undefined) return
    const plain = encodeManifestPage(entries)
    const fileCount = entries.filter((entry) => entry.kind !== 'file' || entry.offset === 0).length
    const chunkCount = distinctChunks(entries).length
    root.pages.push({ hash: sha256(plain), sizeBytes: plain.length, fileCount, chunkCount })
    root.fileCount += fileCount
    root.chunkCount += chunkCount
    pagePaths.push(entries.map((entry) => entry.path))
  }
  for (const { entry, extents } of read.sort((a, b) => comparePaths(a.entry.path, b.entry.path))) {
    write(pager.begin(manifestEntry(entry)))
    for (const extent of extents) {
      root.totalBytes += extent.sizeBytes
      write(pager.extend(extent))
    }
    listing.push(line(entry, extents))
  }
  write(pager.finish())
  return { root: rootBytes(root), listing, pagePaths }
}

function line(entry: TreeEntry, extents: readonly Extent[]): string {
  if (entry.kind === 'symlink') return `${entry.path}  -> ${entry.target}`
  if (entry.kind === 'folder') return `${entry.path}  folder`
  const parts = extents.map((one) => (one.kind === 'chunk' ? one.id : `hole ${one.sizeBytes}`))
  const about = `${entry.sizeBytes} bytes${entry.executable ? ', executable' : ''}`
  return `${entry.path}  ${about}  ${sha256(Buffer.from(parts.join('\n')))}`
}
