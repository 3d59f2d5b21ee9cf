/**
 * Layout: where the bytes of a version are now. Not signed, replaceable; chunk ids prove the result.
 *
 *     'SLLP', version 1
 *     number of packs, their hashes (32 bytes each)
 *     for each distinct chunk of the manifest page, in its order:
 *       flags; in the frame of the chunk before: bytes between the two
 *       else: pack unless the same, offset unless next to the frame before, sealed size,
 *             and, unless the frame is exactly this chunk, its hash and where the chunk begins in it
 *
 * 1. A page names its packs itself, so a page whose chunks stay where they are stays the same
 *    object in every later version.
 * 2. A decoder gives one location for each chunk, inside a pack that the root lists, or a fault.
 */
import {
  type ContentId,
  failed,
  LayoutRoot,
  MAX_PACK_BYTES,
  MAX_PAGE_BYTES,
  MAX_ROOT_BYTES,
  ok,
  problem,
  type Result,
  type Sha256,
} from '@sluice/protocol'
import type { ChunkRef } from '../manifest/file-entry.ts'
import { type ManifestPage, parseJson } from '../manifest/manifest.ts'
import type { ChunkLocation, PackInfo } from '../pack/chunk-location.ts'
import { MAX_CHUNK_BYTES, MAX_SEALED_FRAME_BYTES, MIN_SEALED_FRAME_BYTES } from '../pack/frame-format.ts'
import { PACK_HEADER_BYTES } from '../pack/pack.ts'
import { ByteReader, Malformed } from './byte-reader.ts'
import { ByteWriter } from './byte-writer.ts'
import { openPage, PageKind } from './page-seal.ts'

const MAGIC = Buffer.from('SLLP\x01', 'latin1')
const SAME_FRAME = 1
const OTHER_PACK = 2
const MOVED = 4
const SHARED = 8

/** A layout root, opened and checked. */
export interface Layout {
  root: LayoutRoot
  /** Packs that hold chunks of this version, by hash. */
  packs: ReadonlyMap<Sha256, PackInfo>
}

/** @param locations of the page's distinct chunks, in their order */
export function encodeLayoutPage(chunks: readonly ChunkRef[], locations: readonly ChunkLocation[]): Buffer {
  const out = new ByteWriter()
  const packs = [...new Set(locations.map((location) => location.pack))]
  const numbers = new Map(packs.map((pack, number) => [pack, number]))
  out.bytes(MAGIC)
  out.varint(packs.length)
  for (const pack of packs) out.hash(pack)
  let before: ChunkLocation | undefined
  let end = 0
  for (const [i, at] of locations.entries()) {
    const chunk = chunks[i] as ChunkRef
    if (before !== undefined && before.pack === at.pack && before.frameOffset === at.frameOffset) {
      out.byte(SAME_FRAME)
      out.signed(at.offsetInFrame - end)
    } else {
      const shared = at.frameHash !== chunk.id
      const next = before === undefined ? PACK_HEADER_BYTES : before.frameOffset + before.frameBytes
      const otherPack = at.pack !== (before?.pack ?? packs[0])
      const moved = at.frameOffset !== (otherPack ? PACK_HEADER_BYTES : next)
      out.byte((otherPack ? OTHER_PACK : 0) | (moved ? MOVED : 0) | (shared ? SHARED : 0))
      if (otherPack) out.varint(numbers.get(at.pack) ?? 0)
      if (moved) out.varint(at.frameOffset)
      out.varint(at.frameBytes)
      if (shared) {
        out.hash(at.frameHash)
        out.varint(at.offsetInFrame)
      }
    }
    before = at
    end = at.offsetInFrame + chunk.sizeBytes
  }
  return out.finish()
}

/** @throws Malformed */
function decodeLocations(plain: Uint8Array, chunks: readonly ChunkRef[]): ChunkLocation[] {
  const input = new ByteReader(plain)
  if (!input.bytes(MAGIC.length).equals(MAGIC)) throw new Malformed('it is not a layout page of version 1')
  const packs = Array.from({ length: input.varint(Math.floor(input.left / 32)) }, () => input.hash())
  const locations: ChunkLocation[] = []
  let before: ChunkLocation | undefined
  let end = 0
  for (const chunk of chunks) {
    const flags = input.byte()
    let at: ChunkLocation
    if (flags === SAME_FRAME) {
      if (before === undefined) throw new Malformed('its first chunk is in the frame of none')
      at = { ...before, offsetInFrame: end + input.signed(MAX_CHUNK_BYTES) }
    } else if ((flags & ~(OTHER_PACK | MOVED | SHARED)) === 0) {
      const otherPack = (flags & OTHER_PACK) !== 0
      const pack: Sha256 | undefined = otherPack ? packs[input.varint(packs.length)] : (before?.pack ?? packs[0])
      if (pack === undefined) throw new Malformed('a chunk lies in no pack')
      const next = before === undefined || otherPack ? PACK_HEADER_BYTES : before.frameOffset + before.frameBytes
      const frameOffset = (flags & MOVED) !== 0 ? input.varint(MAX_PACK_BYTES) : next
      const frameBytes = input.varint(MAX_SEALED_FRAME_BYTES)
      const shared = (flags & SHARED) !== 0
      const frameHash = shared ? input.hash() : chunk.id
      at = { pack, frameOffset, frameBytes, frameHash, offsetInFrame: shared ? input.varint(MAX_CHUNK_BYTES) : 0 }
    } else throw new Malformed('a location is of an unknown kind')
    end = at.offsetInFrame + chunk.sizeBytes
    if (at.offsetInFrame < 0 || end > MAX_CHUNK_BYTES || at.frameBytes < MIN_SEALED_FRAME_BYTES)
      throw new Malformed('a chunk lies outside its frame')
    locations.push(at)
    before = at
  }
  input.end()
  return locations
}

const refused = (what: string) => failed(problem('MANIFEST_REFUSED', what))

/** The location of each chunk of a plain page. `MANIFEST_REFUSED`. */
export function decodeLayoutPage(
  plain: Uint8Array,
  chunks: readonly ChunkRef[],
  packs: ReadonlyMap<Sha256, PackInfo>,
): Result<ChunkLocation[]> {
  try {
    const locations = decodeLocations(plain, chunks)
    for (const { pack, frameOffset, frameBytes } of locations) {
      const sizeBytes = packs.get(pack)?.sizeBytes ?? 0
      if (frameOffset < PACK_HEADER_BYTES || frameOffset + frameBytes > sizeBytes)
        throw new Malformed('a frame lies outside the packs of the layout')
    }
    return ok(locations)
  } catch (error) {
    if (error instanceof Malformed) return refused(`A layout page is malformed: ${error.message}.`)
    throw error
  }
}

/** The location of each of `page.chunks`, in their order. `MANIFEST_REFUSED`. */
export function openLayoutPage(
  sealed: Uint8Array,
  packageKey: Uint8Array,
  layout: Layout,
  page: ManifestPage,
): Result<ChunkLocation[]> {
  const opened = openPage(PageKind.layout, sealed, packageKey, MAX_PAGE_BYTES)
  if ('fault' in opened) return refused(`A layout page: ${opened.fault}.`)
  return decodeLayoutPage(opened.plain, page.chunks, layout.packs)
}

/** Opens the sealed layout root of a content. `MANIFEST_REFUSED`. */
export function openLayoutRoot(sealed: Uint8Array, packageKey: Uint8Array, contentId: ContentId): Result<Layout> {
  const opened = openPage(PageKind.layoutRoot, sealed, packageKey, MAX_ROOT_BYTES)
  if ('fault' in opened) return refused(`The layout root of ${contentId}: ${opened.fault}.`)
  const root = LayoutRoot.safeParse(parseJson(opened.plain))
  if (!root.success) return refused(`The layout root is malformed: ${root.error.issues[0]?.message}.`)
  if (root.data.contentId !== contentId) return refused(`The layout root is not of ${contentId}.`)
  const packs = new Map<Sha256, PackInfo>()
  for (const { hash, sizeBytes, salt } of root.data.packs) {
    const bytes = Buffer.from(salt, 'base64')
    if (bytes.length !== 32 || sizeBytes > MAX_PACK_BYTES) return refused('The layout root lists an impossible pack.')
    packs.set(hash, { hash, sizeBytes, salt: bytes })
  }
  return ok({ root: root.data, packs })
}
