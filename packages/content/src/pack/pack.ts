/**
 * Packs: frames in file order, up to 64 MiB, immutable, named by the SHA-256 of their bytes.
 *
 *     'SLUICEPK', version 1 (u32 LE), 0 (u32)   16 bytes
 *     frames, one after the other
 *
 * 1. The salt, without which no frame opens, is never in the pack.
 * 2. A pack is written beside the store and published whole; one that breaks off is thrown away. A
 *    store of files takes the file itself, so its bytes are written once.
 * 3. The index hears of a pack only when the store has made it durable.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { type FileHandle, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { MAX_PACK_BYTES, ProblemError, type Sha256 } from '@sluice/protocol'
import type { Hands } from '../hands/hands.ts'
import type { ChunkRef } from '../manifest/file-entry.ts'
import { release } from '../release.ts'
import { createFile } from '../stores/atomic-file.ts'
import { fullDisk } from '../stores/disk-problem.ts'
import type { Store } from '../stores/store.ts'
import type { ChunkIndex, ChunkLocation, PackInfo } from './chunk-location.ts'
import { sealFrame } from './frame.ts'
import { FRAME_OVERHEAD_BYTES, type SealedFrame, SHARED_FRAME_BYTES } from './frame-format.ts'

export const PACK_HEADER_BYTES = 16
/** So that what is remembered of an unfinished pack stays small, however small its chunks are. */
const MOST_CHUNKS = 16_384
/** Frames that are compressed at the same time, on the thread pool or by each thread of an import. */
const FRAMES_AT_ONCE = 4
const FRAMES_A_HAND = 3
/** What compresses updates a tenth better than level 3 and takes twice the time (decision 0022). */
export const FAST_LEVEL = 3
export const SMALL_LEVEL = 6

export interface PackWriterOptions {
  store: Store
  index: ChunkIndex
  /** Folder for the pack that is being written; the caller owns it and what is left in it. */
  stagingFolder: string
  randomBytes: (sizeBytes: number) => Uint8Array
  maxPackBytes?: number | undefined
  /** Threads that compress and seal; otherwise the caller's process does. */
  hands?: Hands | undefined
  /** Of zstd; `FAST_LEVEL` unless given. */
  level?: number | undefined
  signal?: AbortSignal | undefined
}

export interface PackWriter {
  /** The chunk is in the pack that is being written or in the one before; the index may not know it yet. */
  has(id: Sha256): boolean
  /** Takes a chunk; the bytes must not change afterwards. */
  add(chunk: ChunkRef, bytes: Uint8Array): Promise<void>
  /** A page of the manifest ends: what follows goes into frames of its own, for devices fetch page by page. */
  endPage(): Promise<void>
  /** Publishes what is left; gives all packs written so far, in order. More chunks may follow. */
  finish(): Promise<PackInfo[]>
  /** Throws the unfinished pack away. */
  abandon(): Promise<void>
}

interface OpenPack {
  path: string
  file: FileHandle
  salt: Uint8Array
  hash: ReturnType<typeof createHash>
  offset: number
  /** What the frames taken so far can come to at most. */
  boundBytes: number
  chunks: { id: Sha256; sizeBytes: number; location: Omit<ChunkLocation, 'pack'> }[]
  ids: Set<Sha256>
}

type FrameChunk = ChunkRef & { offsetInFrame: number }
type Sealing = { chunks: FrameChunk[]; sealed: Promise<SealedFrame> }

/** Expected failures (`NO_SPACE`, those of the store) are thrown as `ProblemError`. */
export function createPackWriter(options: PackWriterOptions): PackWriter {
  const { store, index, stagingFolder, randomBytes, signal, hands, level = FAST_LEVEL } = options
  const framesAtOnce = hands === undefined ? FRAMES_AT_ONCE : FRAMES_A_HAND * hands.count
  const maxPackBytes = options.maxPackBytes ?? MAX_PACK_BYTES
  const written: PackInfo[] = []
  let pack: OpenPack | undefined
  let published: ReadonlySet<Sha256> = new Set()
  let sealing: Sealing[] = []
  let shared: { bytes: Uint8Array; chunk: ChunkRef }[] = []
  let sharedIds = new Set<Sha256>()
  let sharedBytes = 0

  async function begin(): Promise<OpenPack> {
    const path = join(stagingFolder, `pack-${Buffer.from(randomBytes(8)).toString('hex')}`)
    const file = await createFile(path)
    const header = Buffer.alloc(PACK_HEADER_BYTES)
    header.write('SLUICEPK', 'latin1')
    header.writeUInt32LE(1, 8)
    const hash = createHash('sha256').update(header)
    pack = {
      path,
      file,
      salt: randomBytes(32),
      hash,
      offset: PACK_HEADER_BYTES,
      boundBytes: PACK_HEADER_BYTES,
      chunks: [],
      ids: new Set(),
    }
    await file.writeFile(header)
    return pack
  }

  async function writeOldest(open: OpenPack): Promise<void> {
    const oldest = sealing.shift()
    if (oldest === undefined) return
    const { hash, sealed } = await oldest.sealed
    open.hash.update(sealed)
    await open.file.writeFile(sealed)
    for (const { id, sizeBytes, offsetInFrame } of oldest.chunks) {
      const location = { frameOffset: open.offset, frameBytes: sealed.length, frameHash: hash, offsetInFrame }
      open.chunks.push({ id, sizeBytes, location })
    }
    open.offset += sealed.length
    release(sealed)
  }

  const seal = (pieces: Uint8Array[], chunks: readonly FrameChunk[], salt: Uint8Array): Promise<SealedFrame> => {
    const [only] = chunks
    const plain = together(pieces)
    if (hands === undefined) return sealFrame(new Uint8Array(plain), salt, level)
    const known = only !== undefined && chunks.length === 1 ? { hash: only.id } : {}
    return hands.do('seal', { plain, salt, level, ...known })
  }

  async function frame(pieces: Uint8Array[], chunks: FrameChunk[]): Promise<void> {
    const bound = pieces.reduce((sum, { length }) => sum + length, FRAME_OVERHEAD_BYTES)
    if (pack !== undefined && (pack.boundBytes + bound > maxPackBytes || pack.ids.size + chunks.length > MOST_CHUNKS))
      await publish(pack)
    const open = pack ?? (await begin())
    open.boundBytes += bound
    for (const chunk of chunks) open.ids.add(chunk.id)
    const sealed = seal(pieces, chunks, open.salt)
    sealed.catch(() => undefined) // whoever awaits it first sees the error
    sealing.push({ chunks, sealed })
    if (sealing.length >= framesAtOnce) await writeOldest(open)
  }

  async function flushShared(): Promise<void> {
    if (shared.length === 0) return
    let offsetInFrame = 0
    const chunks = shared.map(({ chunk }) => {
      const placed = { ...chunk, offsetInFrame }
      offsetInFrame += chunk.sizeBytes
      return placed
    })
    const pieces = shared.map(({ bytes }) => bytes)
    shared = []
    sharedIds = new Set()
    sharedBytes = 0
    await frame(pieces, chunks)
  }

  async function publish(open: OpenPack): Promise<void> {
    while (sealing.length > 0) await writeOldest(open)
    const name = { kind: 'pack', hash: open.hash.digest('hex') as Sha256 } as const
    await open.file.sync()
    await open.file.close()
    const { hash } = name
    // The staging folder may be on another disk than the store.
    if ((await store.adopt?.(name, open.path)) !== true) {
      const put = await store.put(name, createReadStream(open.path), signal)
      if (!put.ok) throw new ProblemError(put.problem)
      await rm(open.path)
    }
    const chunks = open.chunks.map((chunk) => ({ ...chunk, location: { pack: hash, ...chunk.location } }))
    const info: PackInfo = { hash, sizeBytes: open.offset, salt: open.salt }
    await index.packWritten({ ...info, chunks })
    written.push(info)
    published = open.ids
    pack = undefined
  }

  async function guarded<T>(work: () => Promise<T>): Promise<T> {
    try {
      signal?.throwIfAborted()
      return await work()
    } catch (error) {
      const full = fullDisk(error, stagingFolder)
      throw full === undefined ? error : new ProblemError(full, { cause: error })
    }
  }

  return {
    has: (id) => (pack?.ids.has(id) ?? false) || sharedIds.has(id) || published.has(id),
    add: (chunk, bytes) =>
      guarded(async () => {
        if (sharedBytes + bytes.length > SHARED_FRAME_BYTES) await flushShared()
        if (bytes.length >= SHARED_FRAME_BYTES) return frame([bytes], [{ ...chunk, offsetInFrame: 0 }])
        shared.push({ chunk, bytes })
        sharedIds.add(chunk.id)
        sharedBytes += bytes.length
      }),
    endPage: () => guarded(flushShared),
    finish: () =>
      guarded(async () => {
        await flushShared()
        if (pack !== undefined) await publish(pack)
        return written
      }),
    async abandon() {
      await Promise.allSettled(sealing.map(({ sealed }) => sealed))
      sealing = []
      shared = []
      if (pack === undefined) return
      await pack.file.close()
      await rm(pack.path, { force: true })
      pack = undefined
    },
  }
}

/** In a buffer of their own, which may be given away. */
function together(pieces: readonly Uint8Array[]): ArrayBuffer {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all.buffer
}
