/**
 * Chooses where the chunks of a version lie, among all places the library has for them.
 *
 * `weigh` every page, then, if chunks are `scattered`, `gather` every page, then `locate` every page.
 *
 * 1. A pack is *kept* when the version uses at least 30 % of it, or when it appeared after the
 *    weighing. Chunks that lie in no kept pack are copied into new ones by `gather` (design §4.4).
 * 2. Of several kept packs the one that the version uses most is chosen.
 */
import { ProblemError, type Sha256 } from '@sluice/protocol'
import type { ChunkRef } from '../manifest/file-entry.ts'
import type { Store } from '../stores/store.ts'
import type { ChunkIndex, ChunkLocation, PackInfo } from './chunk-location.ts'
import { openFrame } from './frame.ts'
import { sha256 } from './hash.ts'
import type { PackWriter } from './pack.ts'

const KEPT_SHARE = 0.3
const IDS_AT_ONCE = 1000

export interface Locator {
  weigh(chunks: readonly ChunkRef[]): Promise<void>
  /** Some pack is used so little that its chunks are to be gathered. */
  scattered(): boolean
  gather(chunks: readonly ChunkRef[]): Promise<void>
  /** One location for each chunk, in their order. */
  locate(chunks: readonly ChunkRef[]): Promise<ChunkLocation[]>
  /** Packs that were chosen, in order of first use. */
  packs(): Promise<PackInfo[]>
  /** Sealed bytes of the distinct frames that were chosen. */
  storedBytes(): number
}

/** The distinct frames of one pack, and their sealed bytes. */
interface Usage {
  frames: Set<number>
  bytes: number
}

export function createLocator(
  options: { index: ChunkIndex; store: Store; signal?: AbortSignal | undefined },
  writer: PackWriter,
): Locator {
  const { index, store, signal } = options
  const weighed = new Map<Sha256, Usage>()
  const chosen = new Map<Sha256, Usage>()
  const known = new Map<Sha256, PackInfo>()
  let opened: { pack: Sha256; frameOffset: number; plain: Uint8Array } | undefined

  async function find(chunks: readonly ChunkRef[]): Promise<Map<Sha256, ChunkLocation[]>> {
    const found = new Map<Sha256, ChunkLocation[]>()
    for (let i = 0; i < chunks.length; i += IDS_AT_ONCE)
      for (const [id, locations] of await index.find(chunks.slice(i, i + IDS_AT_ONCE).map((chunk) => chunk.id)))
        found.set(id, locations)
    const packs = new Set([...found.values()].flat().map((location) => location.pack))
    const unknown = [...packs].filter((pack) => !known.has(pack))
    if (unknown.length > 0) for (const [hash, pack] of await index.packs(unknown)) known.set(hash, pack)
    return found
  }

  const pack = (hash: Sha256): PackInfo => {
    const info = known.get(hash)
    if (info === undefined) throw new Error(`the index names the pack ${hash} and does not know it`)
    return info
  }

  /** Invariants 1 and 2: the share of the pack that is used; above 1 for packs newer than the weighing. */
  const share = (hash: Sha256): number => {
    const usage = weighed.get(hash)
    return usage === undefined ? 2 : usage.bytes / pack(hash).sizeBytes
  }

  const best = (locations: readonly ChunkLocation[] | undefined): ChunkLocation | undefined => {
    let chosenOne: ChunkLocation | undefined
    for (const location of locations ?? [])
      if (
        share(location.pack) >= KEPT_SHARE &&
        (chosenOne === undefined || share(location.pack) > share(chosenOne.pack))
      )
        chosenOne = location
    return chosenOne
  }

  async function readChunk(chunk: ChunkRef, locations: readonly ChunkLocation[] | undefined): Promise<Uint8Array> {
    const at = locations?.[0]
    if (at === undefined) throw new Error(`the index lost chunk ${chunk.id}`)
    if (opened?.pack !== at.pack || opened.frameOffset !== at.frameOffset) {
      const range = { start: at.frameOffset, end: at.frameOffset + at.frameBytes }
      const got = await store.get({ kind: 'pack', hash: at.pack }, range, signal)
      if (!got.ok) throw new ProblemError(got.problem)
      const sealed = Buffer.concat(await got.value.body.toArray())
      const frame = openFrame(sealed, { hash: at.frameHash, salt: pack(at.pack).salt }, [])
      if (!frame.ok) throw new ProblemError(frame.problem)
      opened = { pack: at.pack, frameOffset: at.frameOffset, plain: frame.value }
    }
    const bytes = opened.plain.subarray(at.offsetInFrame, at.offsetInFrame + chunk.sizeBytes)
    if (sha256(bytes) !== chunk.id) throw new Error(`the index misplaces chunk ${chunk.id}`)
    return bytes
  }

  return {
    async weigh(chunks) {
      for (const locations of (await find(chunks)).values()) for (const location of locations) use(weighed, location)
    },
    scattered: () => [...weighed.keys()].some((hash) => share(hash) < KEPT_SHARE),
    async gather(chunks) {
      const found = await find(chunks)
      for (const chunk of chunks) {
        const locations = found.get(chunk.id)
        if (best(locations) === undefined && !writer.has(chunk.id))
          await writer.add(chunk, await readChunk(chunk, locations))
      }
      await writer.endPage()
    },
    async locate(chunks) {
      const found = await find(chunks)
      return chunks.map((chunk) => {
        const location = best(found.get(chunk.id))
        if (location === undefined) throw new Error(`the index lost chunk ${chunk.id}`)
        use(chosen, location)
        return location
      })
    },
    packs: async () => [...chosen.keys()].map(pack),
    storedBytes: () => [...chosen.values()].reduce((sum, { bytes }) => sum + bytes, 0),
  }
}

function use(usages: Map<Sha256, Usage>, { pack, frameOffset, frameBytes }: ChunkLocation): void {
  const usage = usages.get(pack) ?? { frames: new Set<number>(), bytes: 0 }
  usages.set(pack, usage)
  if (usage.frames.has(frameOffset)) return
  usage.frames.add(frameOffset)
  usage.bytes += frameBytes
}
