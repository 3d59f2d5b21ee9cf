/** One page of a manifest, from what the folder has of it to all of it: D1 to D6 of `download.ts`. */
import type { ManifestPage } from '@sluice/content'
import { ok, type Result } from '@sluice/protocol'
import type { Checkpoint, PageBits } from './checkpoint.ts'
import type { ChunkClaims } from './chunk-claims.ts'
import type { ContentTree } from './content-tree.ts'
import type { DownloadOrder, Progress } from './download.ts'
import { fetchFrames } from './fetch-frames.ts'
import { type LackingChunk, planFrames } from './frame-plan.ts'
import { type Layouts, MOST_LAYOUTS } from './layouts.ts'
import type { StreamPool } from './stream-pool.ts'

export interface PageWork {
  number: number
  page: ManifestPage
  tree: ContentTree
  layouts: Layouts
  progress: Progress
  streams: StreamPool
  claims: ChunkClaims
  checkpoint: Checkpoint
  /** Settles when the page before is finished. */
  before: Promise<void>
  /** It is known what the page lacks: the next one may begin. */
  onPlanned: () => void
}

/** What ends it is what `fetchFrames` and `layouts` end with. Rejects when the disk refuses, or with the reason of the signal. */
export async function completePage(order: DownloadOrder, work: PageWork): Promise<Result<void>> {
  const { number, page, tree, progress, claims, checkpoint, before: pageBefore, onPlanned } = work
  const { entryId, ledger, tally } = order
  const here = { number, bits: ledger.read(entryId, number) }
  const { bits } = here
  /** These are there without being fetched, and not yet known to the ledger. */
  const foundHere = async (indexes: readonly number[]) => {
    const chunks = indexes.map((index) => ({ index, sizeBytes: page.chunks[index]?.sizeBytes ?? 0 }))
    if (chunks.length > 0) await checkpoint.write(here, chunks, async () => true)
  }
  const { present, lacking, foundBytes, seedBytes } = await tree.prepare(
    page,
    (index) => order.trustLedger && bits.has(index),
  )
  // D6
  const { own, others } = claims.claim(number, lacking)
  for (const index of present) progress.present(page.chunks[index]?.sizeBytes ?? 0)
  tally.add({ cacheBytes: foundBytes, seedBytes })
  await foundHere(present.filter((index) => !bits.has(index)))
  const fetched = await fetchLacking(order, work, here, own)
  if (!fetched.ok) return fetched
  onPlanned()
  // D4
  await pageBefore
  order.signal.throwIfAborted()
  const copied = new Set<LackingChunk>()
  for (const chunk of others) if (await tree.copy(chunk)) copied.add(chunk)
  for (const { sizeBytes } of copied) progress.present(sizeBytes)
  await foundHere([...copied].map(({ index }) => index))
  const still = await fetchLacking(
    order,
    work,
    here,
    others.filter((chunk) => !copied.has(chunk)),
  )
  if (!still.ok) return still
  await checkpoint.settled()
  await tree.finishPage(page)
  for (const index of page.chunks.keys()) bits.add(index)
  ledger.write(entryId, number, bits)
  return ok(undefined)
}

/** Fetches chunks of a page, from where they lie now (D5). */
async function fetchLacking(
  order: DownloadOrder,
  { number, page, tree, layouts, progress, streams, checkpoint, onPlanned }: PageWork,
  here: PageBits,
  lacking: readonly LackingChunk[],
): Promise<Result<void>> {
  const { contentId, tally } = order
  const lacks = new Map(lacking.map((chunk) => [chunk.index, chunk]))
  for (let layoutsLeft = MOST_LAYOUTS; lacks.size > 0; ) {
    const locations = await layouts.locations(number, page)
    if (!locations.ok) return locations
    const frames = planFrames([...lacks.values()], locations.value.chunks, locations.value.layout.packs)
    const before = lacks.size
    onPlanned()
    const fetched = await fetchFrames({
      frames,
      streams,
      idleMs: order.source.idleMs,
      line: order.source.line,
      signal: order.signal,
      patience: order.patience,
      tally,
      locate: ({ pack }) => order.source.urls.get({ contentId, kind: 'pack', hash: pack.hash }),
      forget: ({ pack }, reason, target) =>
        order.source.urls.forget({ contentId, kind: 'pack', hash: pack.hash }, reason, target),
      worked: ({ pack }) => order.source.urls.worked({ contentId, kind: 'pack', hash: pack.hash }),
      memory: tree.frames,
      async take(frame, sealed) {
        const right = await checkpoint.write(here, frame.chunks, () => tree.writeFrame(frame, sealed))
        if (!right) return false
        for (const { index } of frame.chunks) lacks.delete(index)
        progress.fetched(frame.sizeBytes)
        return true
      },
    })
    if (fetched.ok) continue
    // D5
    if (fetched.problem.code !== 'PACK_GONE') return fetched
    if (lacks.size === before && --layoutsLeft === 0) return fetched
    const renewed = await layouts.renew(fetched.problem)
    if (!renewed.ok) return renewed
  }
  return ok(undefined)
}
