/**
 * Imports a folder as one version of a package.
 *
 * Three passes, none of which holds the manifest:
 *   survey   walk once: refusals, losses, totals; nothing is stored before this is clean
 *   write    walk again: chunks the library lacks go into packs, entries into manifest pages
 *   locate   page by page: choose where each chunk lies, write layout pages
 *
 * 1. What was read is what is imported: a file that changes on the way ends the import.
 * 2. A chunk that the library has is not stored again, unless the version would use less than 30 %
 *    of the pack it lies in (design §4.4): then it is copied, so that reading stays in few places.
 * 3. Every object is durable before the result names it. An import that ends early leaves whole
 *    packs that the index knows, for the next attempt, and nothing else of value.
 */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import {
  type ContentId,
  type ContentTarget,
  failed,
  type LayoutRoot,
  MAX_ROOT_BYTES,
  type ManifestRoot,
  ok,
  type PackageId,
  ProblemError,
  problem,
  type Result,
  type StoredObject,
} from '@sluice/protocol'
import type { ChunkIndex, ChunkLocation } from './chunk-location.ts'
import { createChunker, MIN_CHUNK_BYTES } from './chunker.ts'
import type { ChunkRef, FileEntry } from './file-entry.ts'
import { sha256 } from './hash.ts'
import { encodeLayoutPage } from './layout.ts'
import { createLocator } from './locator.ts'
import { distinctChunks, encodeManifestPage, openManifestPage } from './manifest.ts'
import { createManifestPager } from './manifest-pager.ts'
import { createPackWriter, type PackWriter } from './pack.ts'
import { PageKind, type SealedPage, sealPage } from './page-seal.ts'
import type { Store } from './store.ts'
import { type Sighting, surveyTree, type TreeEntry, unreadableProblem, walkTree } from './tree.ts'

export interface ImportOptions {
  /** Folder to import, as the site sees it. */
  folder: string
  packageId: PackageId
  version: number
  target: ContentTarget
  /** 32 bytes, the same for every version of the package. */
  packageKey: Uint8Array
  index: ChunkIndex
  store: Store
  /** Folder for packs that are being written; whoever owns it empties it at start. */
  stagingFolder: string
  randomBytes: (sizeBytes: number) => Uint8Array
  /** Smaller than 64 MiB in tests. */
  maxPackBytes?: number | undefined
  signal?: AbortSignal | undefined
  /** Plain bytes of the folder read so far, and in all. */
  onProgress?: ((progress: { doneBytes: number; totalBytes: number }) => void) | undefined
}

export interface ImportedVersion {
  contentId: ContentId
  /** The manifest root: to be released in the catalogue, byte for byte. */
  root: Buffer
  /** The sealed layout root, an object like the pages. */
  layout: StoredObject
  /** Everything a distribution point must hold: packs, sealed pages, the sealed layout root. */
  objects: StoredObject[]
  /** Sealed bytes of the distinct frames that hold the version's chunks. */
  storedBytes: number
  /** Bytes of packs that this import added to the library. */
  addedBytes: number
  /** Files, symlinks and empty folders. */
  fileCount: number
  /** Plain bytes of all files. */
  totalBytes: number
  losses: string[]
}

/** Chunks that are read before the index is asked about them, together. */
const BATCH_BYTES = 2 * 1024 * 1024
const BATCH_CHUNKS = 500
/** Entries that are looked at before those before them are stored; their small files are read then. */
const READ_AHEAD = 32

/** Neither through a symlink nor waiting for the other end of a pipe, whatever took the file's place. */
const READ_ONLY = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)

type RootPage = ManifestRoot['pages'][number]
interface WrittenPage {
  named: RootPage
  object: StoredObject
}

/**
 * `CONTENT_NOT_SAFE`, `CONTENT_UNREADABLE`, `CONTENT_TOO_LARGE`, `CONTENT_CHANGED_DURING_IMPORT`,
 * `NO_SPACE`, and what the store says. Throws the signal's reason when it is aborted.
 */
export async function importVersion(options: ImportOptions): Promise<Result<ImportedVersion>> {
  const survey = await surveyTree(options.folder, options.target, options.signal)
  if (!survey.ok) return survey
  const packs = createPackWriter(options)
  try {
    const written = await writeTree(options, packs, survey.value.totalBytes)
    const located = await locate(options, packs, written.root, written.pages)
    return ok({
      ...located,
      addedBytes: (await packs.finish()).reduce((sum, pack) => sum + pack.sizeBytes, 0),
      fileCount: written.root.fileCount,
      totalBytes: written.root.totalBytes,
      losses: survey.value.losses,
    })
  } catch (error) {
    if (error instanceof ProblemError) return failed(error.problem)
    throw error
  } finally {
    await packs.abandon()
  }
}

/** Second pass: chunks into packs, entries into manifest pages. */
async function writeTree(options: ImportOptions, packs: PackWriter, expectedBytes: number) {
  const { folder, target, index, signal } = options
  const chunker = createChunker()
  const pager = createManifestPager()
  const pages: WrittenPage[] = []
  const root: ManifestRoot = {
    format: 'sluice-manifest/1',
    packageId: options.packageId,
    version: options.version,
    target,
    fileCount: 0,
    totalBytes: 0,
    chunkCount: 0,
    pages: [],
  }
  let batch: { chunk: ChunkRef; bytes: Uint8Array }[] = []
  let batchBytes = 0

  async function storeBatch(): Promise<void> {
    const known = await index.find(batch.map(({ chunk }) => chunk.id))
    for (const { chunk, bytes } of batch)
      if (!known.has(chunk.id) && !packs.has(chunk.id)) await packs.add(chunk, bytes)
    batch = []
    batchBytes = 0
  }

  async function writePage(entries: FileEntry[] | undefined): Promise<void> {
    if (entries === undefined) return
    const plain = encodeManifestPage(entries)
    const begun = entries.filter((entry) => entry.kind !== 'file' || entry.offset === 0).length
    const chunkCount = distinctChunks(entries).length
    const object = await putPage(options, await sealPage(PageKind.manifest, plain, options.packageKey))
    pages.push({
      named: { hash: sha256(plain), sizeBytes: plain.length, fileCount: begun, chunkCount },
      object,
    })
    root.fileCount += begun
    root.chunkCount += chunkCount
  }

  async function takeChunk(bytes: Buffer, doneBytes: number): Promise<void> {
    if (isZero(bytes)) {
      await writePage(pager.extend({ kind: 'hole', sizeBytes: bytes.length }))
    } else {
      const chunk: ChunkRef = { id: sha256(bytes), sizeBytes: bytes.length }
      batch.push({ chunk, bytes })
      batchBytes += bytes.length
      if (batchBytes >= BATCH_BYTES || batch.length >= BATCH_CHUNKS) await storeBatch()
      await writePage(pager.extend({ kind: 'chunk', ...chunk }))
    }
    options.onProgress?.({ doneBytes: doneBytes + bytes.length, totalBytes: expectedBytes })
  }

  async function readFile(entry: TreeEntry & { kind: 'file' }): Promise<void> {
    const file = await open(entry.absolutePath, READ_ONLY)
    try {
      if (!(await file.stat()).isFile()) changed(entry.path)
      let size = 0
      for await (const bytes of chunker.chunks(file, signal)) {
        // The next chunk overwrites this one.
        await takeChunk(Buffer.from(bytes), root.totalBytes + size)
        size += bytes.length
      }
      await checkUnchanged(file, entry, size)
      root.totalBytes += size
    } finally {
      await file.close()
    }
  }

  try {
    for await (const { sighting, small } of readAhead(walkTree(folder, target, signal))) {
      if (sighting.kind === 'refused') return changed(sighting.path)
      const { entry } = sighting
      await writePage(pager.begin(manifestEntry(entry)))
      if (small !== undefined) {
        const bytes = await small
        await takeChunk(bytes, root.totalBytes)
        root.totalBytes += bytes.length
      } else if (entry.kind === 'file' && entry.sizeBytes > 0) await readFile(entry)
    }
  } catch (error) {
    const { code = '', path = '' } = error as NodeJS.ErrnoException
    if (!path.startsWith(folder)) throw error
    // The survey has just seen it as a plain file or folder.
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(code)) changed(path)
    const unreadable = unreadableProblem(error)
    throw unreadable === undefined ? error : new ProblemError(unreadable, { cause: error })
  }
  await storeBatch()
  await packs.finish()
  await writePage(pager.finish())
  return { root, pages }
}

interface AheadSighting {
  sighting: Sighting
  /** All bytes of a file that is one chunk whatever is in it. */
  small: Promise<Buffer> | undefined
}

/** The same in the same order; small files are read while those before them are stored. */
async function* readAhead(sightings: AsyncIterable<Sighting>): AsyncGenerator<AheadSighting> {
  const window: AheadSighting[] = []
  try {
    for await (const sighting of sightings) {
      const small = smallFile(sighting)
      // Whoever comes to it hears of a failure.
      small?.catch(() => {})
      window.push({ sighting, small })
      const first = window.length > READ_AHEAD ? window.shift() : undefined
      if (first !== undefined) yield first
    }
    for (let next = window.shift(); next !== undefined; next = window.shift()) yield next
  } finally {
    await Promise.allSettled(window.map(({ small }) => small))
  }
}

function smallFile(sighting: Sighting): Promise<Buffer> | undefined {
  if (sighting.kind === 'refused' || sighting.entry.kind !== 'file') return undefined
  const { entry } = sighting
  return entry.sizeBytes > 0 && entry.sizeBytes <= MIN_CHUNK_BYTES ? readSmall(entry) : undefined
}

async function readSmall(entry: TreeEntry & { kind: 'file' }): Promise<Buffer> {
  const file = await open(entry.absolutePath, READ_ONLY)
  try {
    if (!(await file.stat()).isFile()) changed(entry.path)
    const bytes = Buffer.alloc(entry.sizeBytes)
    let size = 0
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = (await file.read(bytes, size, bytes.length - size, size)).bytesRead
    await checkUnchanged(file, entry, size)
    return bytes
  } finally {
    await file.close()
  }
}

/** 1 */
async function checkUnchanged(file: FileHandle, entry: TreeEntry & { kind: 'file' }, size: number): Promise<void> {
  const now = await file.stat({ bigint: true })
  const modifiedMs = Number(now.mtimeNs / 1_000_000n)
  if (size !== entry.sizeBytes || Number(now.size) !== size || modifiedMs !== entry.modifiedMs) changed(entry.path)
}

/** Third pass: where each chunk of each page lies. */
async function locate(options: ImportOptions, packs: PackWriter, root: ManifestRoot, pages: WrittenPage[]) {
  root.pages = pages.map(({ named }) => named)
  const rootBytes = Buffer.from(JSON.stringify(root))
  if (rootBytes.length > MAX_ROOT_BYTES) tooLarge(rootBytes.length)
  const contentId = sha256(rootBytes) as ContentId
  const chunksOf = (number: number) => readChunks(options, root, pages, number)
  const locator = createLocator(options, packs)
  for (let number = 0; number < pages.length; number++) await locator.weigh(await chunksOf(number))
  if (locator.scattered()) {
    for (let number = 0; number < pages.length; number++) await locator.gather(await chunksOf(number))
    await packs.finish()
  }

  const layout: LayoutRoot = { format: 'sluice-layout/1', contentId, pages: [], packs: [] }
  const objects = new Map<string, StoredObject>()
  for (let number = 0; number < pages.length; number++) {
    const chunks = await chunksOf(number)
    const locations: ChunkLocation[] = await locator.locate(chunks)
    const sealed = await sealPage(PageKind.layout, encodeLayoutPage(chunks, locations), options.packageKey)
    const page = await putPage(options, sealed)
    const { object } = pages[number] as WrittenPage
    layout.pages.push({
      manifest: object.hash,
      manifestBytes: object.sizeBytes,
      layout: page.hash,
      layoutBytes: page.sizeBytes,
    })
    objects.set(object.hash, object)
    objects.set(page.hash, page)
  }
  for (const pack of await locator.packs()) {
    layout.packs.push({
      hash: pack.hash,
      sizeBytes: pack.sizeBytes,
      salt: Buffer.from(pack.salt).toString('base64'),
    })
    objects.set(pack.hash, { kind: 'pack', hash: pack.hash, sizeBytes: pack.sizeBytes })
  }
  const layoutBytes = Buffer.from(JSON.stringify(layout))
  if (layoutBytes.length > MAX_ROOT_BYTES) tooLarge(layoutBytes.length)
  const layoutObject = await putPage(options, await sealPage(PageKind.layoutRoot, layoutBytes, options.packageKey))
  objects.set(layoutObject.hash, layoutObject)
  return {
    contentId,
    root: rootBytes,
    layout: layoutObject,
    objects: [...objects.values()],
    storedBytes: locator.storedBytes(),
  }
}

/** The distinct chunks of a page, read back from the store: memory holds one page at a time. */
async function readChunks(options: ImportOptions, root: ManifestRoot, pages: WrittenPage[], number: number) {
  options.signal?.throwIfAborted()
  const { object } = pages[number] as WrittenPage
  const got = await options.store.get(object, undefined, options.signal)
  if (!got.ok) throw new ProblemError(got.problem)
  const page = openManifestPage(Buffer.concat(await got.value.body.toArray()), options.packageKey, root, number)
  if (!page.ok) throw new ProblemError(page.problem)
  return page.value.chunks
}

async function putPage(options: ImportOptions, page: SealedPage): Promise<StoredObject> {
  const put = await options.store.put({ kind: 'page', hash: page.hash }, page.bytes, options.signal)
  if (!put.ok) throw new ProblemError(put.problem)
  return { kind: 'page', hash: page.hash, sizeBytes: page.bytes.length }
}

function manifestEntry(entry: TreeEntry): FileEntry {
  const { path, modifiedMs } = entry
  if (entry.kind === 'symlink') return { kind: 'symlink', path, modifiedMs, target: entry.target }
  if (entry.kind === 'folder') return { kind: 'folder', path, modifiedMs }
  const { executable, sizeBytes } = entry
  return { kind: 'file', path, modifiedMs, executable, sizeBytes, offset: 0, extents: [] }
}

const zeros = Buffer.alloc(1024 * 1024)
const isZero = (bytes: Buffer): boolean => bytes[0] === 0 && bytes.equals(zeros.subarray(0, bytes.length))

function changed(path: string): never {
  throw new ProblemError(problem('CONTENT_CHANGED_DURING_IMPORT', `${path} changed while it was read.`))
}

function tooLarge(sizeBytes: number): never {
  throw new ProblemError(problem('CONTENT_TOO_LARGE', `Its root would be ${sizeBytes} bytes; ${MAX_ROOT_BYTES} fit.`))
}
