/**
 * Reads the files of a source in its order: small ones many at a time, large ones stretch by stretch. The
 * threads work ahead of whoever stores what they cut.
 *
 *   R1. What is read ahead is bounded: `AHEAD` portions a thread of at most 4 MiB and a chunk.
 *   R2. Whether the library has a chunk is asked when the chunk is cut, all chunks of a portion at once.
 */
import type { Readable } from 'node:stream'
import { type Problem, ProblemError, problem, type Sha256 } from '@sluice/protocol'
import type { Hands } from '../hands/hands.ts'
import type { CutPart, Jobs, Part } from '../hands/jobs.ts'
import type { Extent } from '../manifest/file-entry.ts'
import type { ChunkIndex } from '../pack/chunk-location.ts'
import { MIN_CHUNK_BYTES } from '../pack/chunker.ts'
import type { Memory } from './memory.ts'
import type { FileBytes, SourceEntry } from './source.ts'
import type { TreeEntry } from './tree.ts'

type TreeFile = TreeEntry & { kind: 'file' }

/** What becomes of the source, in order. */
export type Piece =
  /** `same`: it consists of what the file at that path does. */
  | { kind: 'begin'; entry: TreeEntry; same?: string }
  /** The next stretch of the file begun last; `bytes` unless the library has it. */
  | { kind: 'extent'; extent: Extent; bytes: Buffer | undefined }

/** Files up to here are read whole, together with their neighbours. */
const SMALL_BYTES = 1024 * 1024
const PORTION_BYTES = 4 * 1024 * 1024
/** Both bound what the index is asked at once: 1,000 chunks. */
const PORTION_ENTRIES = 400
const PORTION_CHUNKS = 900
const AHEAD = 2

interface Cut {
  part: CutPart
  bytes: Buffer
}
interface Settled {
  cuts: Cut[]
  known: ReadonlySet<string>
}
type Portion =
  | { kind: 'small'; entries: SourceEntry[]; recalled: Map<TreeEntry, Extent[]>; settled: Promise<Settled> }
  | {
      kind: 'large'
      entry: TreeFile
      bytes: FileBytes
      extents: Extent[] | undefined
      first: Promise<Settled> | undefined
    }

export interface ReadOptions {
  hands: Hands
  index: Pick<ChunkIndex, 'find'>
  memory: Memory | undefined
  signal?: AbortSignal | undefined
}

/** Expected failures are thrown as `ProblemError`; those of the file system as they come. */
export async function* readSource(entries: AsyncIterable<SourceEntry>, options: ReadOptions): AsyncGenerator<Piece> {
  const { hands, index, memory, signal } = options

  /** R2 */
  async function settle(cuts: Cut[]): Promise<Settled> {
    const ids = new Set(cuts.flatMap(({ part }) => part.ids))
    ids.delete('')
    return { cuts, known: new Set((await index.find([...ids] as Sha256[])).keys()) }
  }

  async function read(parts: Part[], names: string[]): Promise<Settled> {
    const reading = await hands.do('read', parts)
    const all = Buffer.from(reading.bytes)
    let at = 0
    const cuts = reading.parts.map((part, i): Cut => {
      if (part === undefined) throw new ProblemError(changedProblem(names[i] ?? ''))
      const bytes = all.subarray(at)
      at += (parts[i]?.to ?? 0) - (parts[i]?.from ?? 0)
      return { part, bytes }
    })
    return settle(cuts)
  }

  const stretch = (entry: TreeFile, bytes: FileBytes & { kind: 'stretch' }, begin: number): Promise<Settled> => {
    const end = Math.min(entry.sizeBytes, begin + PORTION_BYTES)
    return quiet(read([partOf(entry, bytes, begin, end)], [entry.path]))
  }

  async function* portions(): AsyncGenerator<Portion> {
    let together: SourceEntry[] = []
    let recalled = new Map<TreeEntry, Extent[]>()
    let parts: Part[] = []
    let names: string[] = []
    let size = 0
    let chunks = 0
    const flush = (): Portion => {
      const [asked, of, remembered] = [parts, names, recalled]
      const settled = quiet(settleSmall(asked, of, remembered))
      const portion: Portion = { kind: 'small', entries: together, recalled, settled }
      together = []
      recalled = new Map()
      parts = []
      names = []
      size = 0
      chunks = 0
      return portion
    }
    for await (const found of entries) {
      const { entry, bytes } = found
      const own = bytes?.kind === 'stretch' && bytes.watched
      const extents = entry.kind === 'file' && own ? await memory?.recall(entry) : undefined
      if (entry.kind === 'file' && bytes !== undefined && !isSmall(entry, bytes, extents)) {
        if (together.length > 0) yield flush()
        const first = bytes.kind === 'stretch' && extents === undefined ? stretch(entry, bytes, 0) : undefined
        yield { kind: 'large', entry, bytes, extents, first }
        continue
      }
      together.push(found)
      if (extents !== undefined) {
        recalled.set(entry, extents)
        chunks += extents.length
      } else if (entry.kind === 'file' && bytes?.kind === 'stretch') {
        parts.push(partOf(entry, bytes, 0, entry.sizeBytes))
        names.push(entry.path)
        size += entry.sizeBytes
        chunks += Math.ceil(entry.sizeBytes / MIN_CHUNK_BYTES)
      }
      if (size >= PORTION_BYTES / 2 || together.length >= PORTION_ENTRIES || chunks >= PORTION_CHUNKS) yield flush()
    }
    if (together.length > 0) yield flush()
  }

  const isKnown = (extents: readonly Extent[], known: ReadonlySet<string>): boolean =>
    extents.every((extent) => extent.kind === 'hole' || known.has(extent.id))

  /** Whether the library has all that a large file was made of. */
  async function allKnown(extents: readonly Extent[]): Promise<boolean> {
    for (let i = 0; i < extents.length; i += PORTION_CHUNKS) {
      const some = extents.slice(i, i + PORTION_CHUNKS)
      const ids = new Set(some.flatMap((extent) => (extent.kind === 'chunk' ? [extent.id] : [])))
      if (!isKnown(some, new Set((await index.find([...ids])).keys()))) return false
    }
    return true
  }

  async function settleSmall(parts: Part[], names: string[], recalled: Map<TreeEntry, Extent[]>): Promise<Settled> {
    const { cuts, known } = parts.length === 0 ? { cuts: [], known: new Set<string>() } : await read(parts, names)
    const ids = [...recalled.values()].flat().flatMap((extent) => (extent.kind === 'chunk' ? [extent.id] : []))
    return { cuts, known: new Set([...known, ...(await index.find([...new Set(ids)])).keys()]) }
  }

  async function* smallPieces({ entries: all, recalled, settled }: Portion & { kind: 'small' }): AsyncGenerator<Piece> {
    const { cuts, known } = await settled
    let next = 0
    for (const { entry, bytes } of all) {
      yield { kind: 'begin', entry, ...(bytes?.kind === 'same' ? { same: bytes.path } : {}) }
      const extents = recalled.get(entry)
      if (entry.kind !== 'file' || bytes?.kind !== 'stretch') continue
      if (extents === undefined) yield* cutPieces(cuts[next++] as Cut, known)
      else if (isKnown(extents, known)) yield* remembered(extents)
      // The library has thrown some of it away since.
      else yield* stretches(entry, bytes, stretch(entry, bytes, 0))
    }
  }

  async function* stretches(
    entry: TreeFile,
    bytes: FileBytes & { kind: 'stretch' },
    first: Promise<Settled>,
  ): AsyncGenerator<Piece> {
    let at = 0
    for (let reading: Promise<Settled> | undefined = first; reading !== undefined; ) {
      signal?.throwIfAborted()
      const { cuts, known } = await reading
      const cut = cuts[0] as Cut
      at += cut.part.sizes.reduce((sum, size) => sum + size, 0)
      reading = at < entry.sizeBytes ? stretch(entry, bytes, at) : undefined
      yield* cutPieces(cut, known)
    }
  }

  async function* streamed(entry: TreeFile, stream: Readable): AsyncGenerator<Piece> {
    const buffer = createRefill(stream, entry)
    for (let filled = await buffer.fill(); filled !== undefined; filled = await buffer.fill()) {
      signal?.throwIfAborted()
      const { bytes, ...part } = await hands.do('cut', filled)
      const settled = await settle([{ part, bytes: Buffer.from(bytes) }])
      buffer.carry(Buffer.from(bytes, 0, filled.sizeBytes).subarray(part.sizes.reduce((sum, size) => sum + size, 0)))
      yield* cutPieces(settled.cuts[0] as Cut, settled.known)
    }
  }

  const ahead: Portion[] = []
  try {
    for await (const portion of portions()) {
      signal?.throwIfAborted()
      ahead.push(portion)
      // R1. A stream is read before the source is asked for more.
      const most = portion.kind === 'large' && portion.bytes.kind === 'stream' ? 0 : AHEAD * hands.count
      while (ahead.length > most) yield* pieces(ahead.shift() as Portion)
    }
    for (let portion = ahead.shift(); portion !== undefined; portion = ahead.shift()) yield* pieces(portion)
  } finally {
    await Promise.allSettled(ahead.map((portion) => (portion.kind === 'small' ? portion.settled : portion.first)))
  }

  async function* pieces(portion: Portion): AsyncGenerator<Piece> {
    if (portion.kind === 'small') return yield* smallPieces(portion)
    const { entry, bytes, extents, first } = portion
    yield { kind: 'begin', entry }
    if (extents !== undefined && (await allKnown(extents))) yield* remembered(extents)
    else if (bytes.kind === 'stretch') yield* stretches(entry, bytes, first ?? stretch(entry, bytes, 0))
    else if (bytes.kind === 'stream') yield* streamed(entry, await bytes.open())
  }
}

/** Fills buffers of 4 MiB from a stream, each beginning with what was not cut of the one before. */
function createRefill(stream: Readable, { path, sizeBytes: expected }: TreeFile) {
  const pieces = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>
  let waiting: Uint8Array = new Uint8Array(0)
  let carried: Uint8Array = new Uint8Array(0)
  let total = 0
  let ended = false
  return {
    /** The next bytes to cut; undefined when there are no more. */
    async fill(): Promise<Jobs['cut']['asked'] | undefined> {
      if (ended) return undefined
      // One byte more than there should be, so that one too many is noticed.
      const all = new Uint8Array(Math.min(PORTION_BYTES, carried.length + waiting.length + expected - total + 1))
      all.set(carried)
      let sizeBytes = carried.length
      while (sizeBytes < all.length) {
        if (waiting.length === 0) {
          const { value, done } = await pieces.next()
          if (done === true) {
            ended = true
            break
          }
          waiting = value
          total += value.length
          if (total > expected) throw new ProblemError(changedProblem(path))
        }
        const some = waiting.subarray(0, all.length - sizeBytes)
        all.set(some, sizeBytes)
        sizeBytes += some.length
        waiting = waiting.subarray(some.length)
      }
      if (ended && total !== expected) throw new ProblemError(changedProblem(path))
      return sizeBytes === 0 ? undefined : { bytes: all.buffer, sizeBytes, last: ended }
    },
    carry(uncut: Uint8Array): void {
      carried = uncut
    },
  }
}

function* remembered(extents: readonly Extent[]): Generator<Piece> {
  for (const extent of extents) yield { kind: 'extent', extent, bytes: undefined }
}

function* cutPieces({ part, bytes }: Cut, known: ReadonlySet<string>): Generator<Piece> {
  let at = 0
  for (const [i, id] of part.ids.entries()) {
    const sizeBytes = part.sizes[i] as number
    if (id === '') yield { kind: 'extent', extent: { kind: 'hole', sizeBytes }, bytes: undefined }
    else {
      const view = known.has(id) ? undefined : bytes.subarray(at, at + sizeBytes)
      yield { kind: 'extent', extent: { kind: 'chunk', id, sizeBytes }, bytes: view }
    }
    at += sizeBytes
  }
}

/** What is remembered costs no reading, unless it is more than one question to the index. */
function isSmall(entry: TreeFile, bytes: FileBytes, extents: Extent[] | undefined): boolean {
  if (bytes.kind !== 'stretch') return bytes.kind === 'same'
  return extents === undefined ? entry.sizeBytes <= SMALL_BYTES : extents.length <= PORTION_CHUNKS / 2
}

function partOf(entry: TreeFile, bytes: FileBytes & { kind: 'stretch' }, begin: number, end: number): Part {
  const expect = bytes.watched ? { sizeBytes: entry.sizeBytes, stamp: entry.stamp } : undefined
  const last = end === entry.sizeBytes
  return { path: bytes.path, from: bytes.from + begin, to: bytes.from + end, last, expect }
}

/** Whoever comes to it hears of a failure. */
function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  return promise
}

export const changedProblem = (path: string): Problem =>
  problem('CONTENT_CHANGED_DURING_IMPORT', `${path} changed while it was read.`)
