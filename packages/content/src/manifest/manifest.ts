/**
 * Manifest pages: what the files of a package are.
 *
 *     'SLMP', version 1
 *     number of entries
 *     each: flags; shared bytes with the path before, further bytes, those bytes; mtime difference
 *           symlink: length and bytes of its text
 *           file: size; offset of this part unless 0; number of extents; each: size * 2 + (1 for a hole)
 *     the ids of all chunks, in order, 32 bytes each
 *
 * 1. Entries stand in the order of `comparePaths`, each path once a page; nothing lies below a file,
 *    symlink or empty folder.
 * 2. The ids stand apart, so that the rest compresses.
 * 3. A decoder gives entries that are fit for the target, or a fault; never anything else, whatever
 *    the bytes. What a page expands to is bounded as well as the page.
 */
import {
  type ContentId,
  type ContentTarget,
  failed,
  MAX_PAGE_BYTES,
  MAX_ROOT_BYTES,
  ManifestRoot,
  ok,
  problem,
  type Result,
} from '@sluice/protocol'
import { MAX_CHUNK_BYTES } from '../pack/frame-format.ts'
import { sha256 } from '../pack/hash.ts'
import { ByteReader, Malformed } from '../page/byte-reader.ts'
import { ByteWriter } from '../page/byte-writer.ts'
import { openPage, PageKind } from '../page/page-seal.ts'
import { comparePaths, MAX_PATH_BYTES, pathFault, symlinkFault } from './entry-path.ts'
import type { ChunkRef, Extent, FileEntry, FilePart } from './file-entry.ts'

const MAGIC = Buffer.from('SLMP\x01', 'latin1')
/** Bounds what prefix compression may expand to: the paths of one page together. */
export const MAX_PAGE_PATH_BYTES = 4 * 1024 * 1024

const KIND = { file: 0, symlink: 1, folder: 2 } as const
const KIND_MASK = 3
const EXECUTABLE = 4
const CONTINUED = 8

/** One page of a manifest, opened and checked. */
export interface ManifestPage {
  entries: FileEntry[]
  /** The distinct chunks of the page, in order of first use. */
  chunks: ChunkRef[]
}

/** The distinct chunks of entries, in order of first use. */
export function distinctChunks(entries: readonly FileEntry[]): ChunkRef[] {
  const chunks = new Map<string, ChunkRef>()
  for (const entry of entries)
    if (entry.kind === 'file')
      for (const extent of entry.extents)
        if (extent.kind === 'chunk' && !chunks.has(extent.id))
          chunks.set(extent.id, { id: extent.id, sizeBytes: extent.sizeBytes })
  return [...chunks.values()]
}

export function encodeManifestPage(entries: readonly FileEntry[]): Buffer {
  const out = new ByteWriter()
  out.bytes(MAGIC)
  out.varint(entries.length)
  let before: Uint8Array = new Uint8Array(0)
  let modifiedMs = 0
  for (const entry of entries) {
    const continued = entry.kind === 'file' && entry.offset > 0
    const executable = entry.kind === 'file' && entry.executable
    out.byte(KIND[entry.kind] | (executable ? EXECUTABLE : 0) | (continued ? CONTINUED : 0))
    const path = Buffer.from(entry.path)
    const shared = sharedBytes(before, path)
    out.varint(shared)
    out.varint(path.length - shared)
    out.bytes(path.subarray(shared))
    out.signed(entry.modifiedMs - modifiedMs)
    before = path
    modifiedMs = entry.modifiedMs
    if (entry.kind === 'symlink') {
      const target = Buffer.from(entry.target)
      out.varint(target.length)
      out.bytes(target)
    } else if (entry.kind === 'file') {
      out.varint(entry.sizeBytes)
      if (continued) out.varint(entry.offset)
      out.varint(entry.extents.length)
      for (const extent of entry.extents) out.varint(extent.sizeBytes * 2 + (extent.kind === 'hole' ? 1 : 0))
    }
  }
  for (const entry of entries)
    if (entry.kind === 'file') for (const extent of entry.extents) if (extent.kind === 'chunk') out.hash(extent.id)
  return out.finish()
}

/** @throws Malformed */
function decodeEntries(plain: Uint8Array, target: ContentTarget): FileEntry[] {
  const input = new ByteReader(plain)
  if (!input.bytes(MAGIC.length).equals(MAGIC)) throw new Malformed('it is not a manifest page of version 1')
  const count = input.varint(input.left)
  const entries: FileEntry[] = []
  const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const decode = (bytes: Buffer): string => {
    try {
      return text.decode(bytes)
    } catch {
      throw new Malformed('a text is not UTF-8')
    }
  }
  let pathBytes = Buffer.alloc(0)
  let path: string | undefined
  let modifiedMs = 0
  let expanded = 0
  for (let i = 0; i < count; i++) {
    const flags = input.byte()
    const shared = input.varint(pathBytes.length)
    const further = input.bytes(input.varint(MAX_PATH_BYTES))
    pathBytes = Buffer.concat([pathBytes.subarray(0, shared), further])
    expanded += pathBytes.length
    if (expanded > MAX_PAGE_PATH_BYTES) throw new Malformed('its paths are too long together')
    const previous = path
    path = decode(pathBytes)
    const fault = pathFault(path, target)
    if (fault !== undefined) throw new Malformed(`a path has ${fault}`)
    if (previous !== undefined && (comparePaths(previous, path) >= 0 || path.startsWith(`${previous}/`)))
      throw new Malformed('its paths are out of order')
    modifiedMs += input.signed()
    if (!Number.isSafeInteger(modifiedMs)) throw new Malformed('a time is out of range')
    const kind = flags & KIND_MASK
    if (kind === KIND.file && (flags & ~(EXECUTABLE | CONTINUED)) === KIND.file)
      entries.push(decodeFile(input, path, modifiedMs, flags))
    else if (flags === KIND.symlink) {
      const link = decode(input.bytes(input.varint(MAX_PATH_BYTES)))
      const linkFault = symlinkFault(link)
      if (linkFault !== undefined) throw new Malformed(linkFault)
      entries.push({ kind: 'symlink', path, modifiedMs, target: link })
    } else if (flags === KIND.folder) entries.push({ kind: 'folder', path, modifiedMs })
    else throw new Malformed('an entry is of an unknown kind')
  }
  for (const entry of entries)
    if (entry.kind === 'file') for (const extent of entry.extents) if (extent.kind === 'chunk') extent.id = input.hash()
  input.end()
  return entries
}

function decodeFile(input: ByteReader, path: string, modifiedMs: number, flags: number): FilePart {
  const sizeBytes = input.varint()
  const continued = (flags & CONTINUED) !== 0
  const offset = continued ? input.varint(sizeBytes) : 0
  if (continued && offset === 0) throw new Malformed('a part of a file goes on from its beginning')
  const extents: Extent[] = []
  let end = offset
  const count = input.varint(input.left)
  for (let i = 0; i < count; i++) {
    const written = input.varint()
    const bytes = Math.floor(written / 2)
    const hole = written % 2 === 1
    if (bytes === 0 || (!hole && bytes > MAX_CHUNK_BYTES)) throw new Malformed('an extent has an impossible size')
    end += bytes
    if (end > sizeBytes) throw new Malformed('the extents of a file are longer than the file')
    // The id follows at the end of the page; the empty one never leaves `decodeEntries`.
    extents.push(hole ? { kind: 'hole', sizeBytes: bytes } : { kind: 'chunk', id: EMPTY_ID, sizeBytes: bytes })
  }
  if (count === 0 && sizeBytes > 0) throw new Malformed('a part of a file is empty')
  return { kind: 'file', path, modifiedMs, executable: (flags & EXECUTABLE) !== 0, sizeBytes, offset, extents }
}

const EMPTY_ID = sha256(new Uint8Array(0))

function sharedBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length)
  let i = 0
  while (i < length && a[i] === b[i]) i++
  return i
}

const refused = (what: string) => failed(problem('MANIFEST_REFUSED', what))

/** The entries of a plain page, checked for the target. `MANIFEST_REFUSED`. */
export function decodeManifestPage(plain: Uint8Array, target: ContentTarget): Result<ManifestPage> {
  try {
    const entries = decodeEntries(plain, target)
    return ok({ entries, chunks: distinctChunks(entries) })
  } catch (error) {
    if (error instanceof Malformed) return refused(`A manifest page is malformed: ${error.message}.`)
    throw error
  }
}

/** Opens page `index` of the manifest: seal, hash and counts of the root, paths fit for the target. `MANIFEST_REFUSED`. */
export function openManifestPage(
  sealed: Uint8Array,
  packageKey: Uint8Array,
  root: ManifestRoot,
  index: number,
): Result<ManifestPage> {
  const named = root.pages[index]
  if (named === undefined) return refused(`The manifest has no page ${index}.`)
  const opened = openPage(PageKind.manifest, sealed, packageKey, MAX_PAGE_BYTES)
  if ('fault' in opened) return refused(`Manifest page ${index}: ${opened.fault}.`)
  if (sha256(opened.plain) !== named.hash) return refused(`Manifest page ${index} is not the one that was signed.`)
  const page = decodeManifestPage(opened.plain, root.target)
  if (!page.ok) return page
  const begun = page.value.entries.filter((entry) => entry.kind !== 'file' || entry.offset === 0).length
  if (begun !== named.fileCount || page.value.chunks.length !== named.chunkCount)
    return refused(`Manifest page ${index} does not hold what its root says.`)
  return page
}

/** Checks bytes against the content id, then parses them. `MANIFEST_REFUSED`. */
export function readManifestRoot(bytes: Uint8Array, contentId: ContentId): Result<ManifestRoot> {
  if (bytes.length > MAX_ROOT_BYTES) return refused(`The manifest root is larger than ${MAX_ROOT_BYTES} bytes.`)
  if (sha256(bytes) !== contentId) return refused(`The manifest root does not have the hash ${contentId}.`)
  const root = ManifestRoot.safeParse(parseJson(bytes))
  return root.success ? ok(root.data) : refused(`The manifest root is malformed: ${root.error.issues[0]?.message}.`)
}

/** The JSON value of UTF-8 bytes; undefined when they are none. */
export function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return undefined
  }
}
