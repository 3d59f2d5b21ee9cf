/**
 * Writes a version back as a folder, straight from a store: the plainest possible reader, and the
 * example of how the pieces of the reading side fit together.
 */
import { mkdir, open, symlink, utimes } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ContentId, Sha256 } from '@sluice/protocol'
import type { ChunkRef, FileEntry } from '../manifest/file-entry.ts'
import { openManifestPage, readManifestRoot } from '../manifest/manifest.ts'
import type { ChunkLocation } from '../pack/chunk-location.ts'
import { openFrame } from '../pack/frame.ts'
import { sha256 } from '../pack/hash.ts'
import { type Layout, openLayoutPage, openLayoutRoot } from '../page/layout.ts'
import type { ByteRange, ObjectName, Store } from '../stores/store.ts'
import { value } from './value.ts'

export interface RestoreOptions {
  store: Store
  contentId: ContentId
  /** The manifest root's bytes. */
  root: Uint8Array
  layout: Sha256
  packageKey: Uint8Array
  /** Empty or missing. */
  folder: string
}

/** Throws what the reading side refuses. Gives the sealed bytes of the distinct frames that were read. */
export async function restore(options: RestoreOptions): Promise<{ frameBytes: number; metadataBytes: number }> {
  const { store, packageKey, folder } = options
  let metadataBytes = options.root.length
  const readPage = async (hash: Sha256): Promise<Buffer> => {
    const bytes = await read(store, { kind: 'page', hash })
    metadataBytes += bytes.length
    return bytes
  }
  const root = value(readManifestRoot(options.root, options.contentId))
  const layout = value(openLayoutRoot(await readPage(options.layout), packageKey, options.contentId))
  const frames = new Map<string, number>()
  const readChunk = createChunkReader(store, layout)
  for (const [number, named] of layout.root.pages.entries()) {
    const page = value(openManifestPage(await readPage(named.manifest), packageKey, root, number))
    const locations = value(openLayoutPage(await readPage(named.layout), packageKey, layout, page))
    for (const { pack, frameOffset, frameBytes } of locations) frames.set(`${pack} ${frameOffset}`, frameBytes)
    const places = new Map(page.chunks.map((chunk, i) => [chunk.id, locations[i] as ChunkLocation]))
    for (const entry of page.entries) await writeEntry(readChunk, places, entry, folder)
  }
  return { frameBytes: [...frames.values()].reduce((sum, bytes) => sum + bytes, 0), metadataBytes }
}

type ChunkReader = (at: ChunkLocation, chunk: ChunkRef) => Promise<Uint8Array>

/** Opens frames; keeps the last one, for small files lie side by side in it. */
function createChunkReader(store: Store, layout: Layout): ChunkReader {
  let last: { at: ChunkLocation; plain: Uint8Array } | undefined
  return async (at, chunk) => {
    if (last?.at.pack !== at.pack || last.at.frameOffset !== at.frameOffset) {
      const range = { start: at.frameOffset, end: at.frameOffset + at.frameBytes }
      const sealed = await read(store, { kind: 'pack', hash: at.pack }, range)
      const salt = layout.packs.get(at.pack)?.salt ?? new Uint8Array(0)
      last = { at, plain: value(openFrame(sealed, { hash: at.frameHash, salt }, [])) }
    }
    const bytes = last.plain.subarray(at.offsetInFrame, at.offsetInFrame + chunk.sizeBytes)
    if (sha256(bytes) !== chunk.id) throw new Error(`chunk ${chunk.id} is not where the layout says`)
    return bytes
  }
}

async function writeEntry(
  readChunk: ChunkReader,
  places: Map<Sha256, ChunkLocation>,
  entry: FileEntry,
  folder: string,
): Promise<void> {
  const path = join(folder, entry.path)
  await mkdir(dirname(path), { recursive: true })
  if (entry.kind === 'symlink') return symlink(entry.target, path)
  if (entry.kind === 'folder') return mkdir(path)
  const file = await open(path, entry.offset === 0 ? 'wx' : 'r+', entry.executable ? 0o755 : 0o644)
  try {
    await file.truncate(entry.sizeBytes)
    let offset = entry.offset
    for (const extent of entry.extents) {
      if (extent.kind === 'chunk') {
        const at = places.get(extent.id) as ChunkLocation
        await file.write(await readChunk(at, extent), 0, extent.sizeBytes, offset)
      }
      offset += extent.sizeBytes
    }
  } finally {
    await file.close()
  }
  // Seconds as a double fall a little short of the millisecond, and the system cuts off.
  const seconds = (entry.modifiedMs + 0.5) / 1000
  await utimes(path, seconds, seconds)
}

async function read(store: Store, name: ObjectName, range?: ByteRange): Promise<Buffer> {
  return Buffer.concat(await value(await store.get(name, range)).body.toArray())
}
