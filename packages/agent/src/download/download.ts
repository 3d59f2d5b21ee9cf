/**
 * Puts one content together in a folder, page by page of its manifest, fetching nothing that is there
 * already.
 *
 * Owns: the order of things, what is durable when, what is counted. Does not own: where the folder lies
 * and when it is content (cache/), how often a whole download is tried (run/), who may fetch (grants).
 *
 *   D1. Only bytes that were verified are written: pages by hash and seal, frames by seal, size and the
 *       ids of their chunks.
 *   D2. Every 64 MiB or 5 s what was written is flushed, then the ledger says so. A kill costs the frames
 *       in flight: what the ledger does not know is read and hashed at the next start. A power cut
 *       costs what was not flushed.
 *   D3. Fetched bytes are counted when they come in, needed bytes when a frame proved right.
 *   D4. Pages overlap, so that the line has always something to do; but a page is finished only after
 *       those before it, because a file may go over several.
 *   D5. The layout may change at any time: when an object is gone, it is asked for again, and only what
 *       still lacks is planned anew.
 *   D6. The last frames of the last page come in stretches over several streams: before that there is always a
 *       whole one for a stream that has nothing to do.
 */
import { type ManifestPage, readManifestRoot } from '@sluice/content'
import type { CatalogueReference, ContentId, ManifestRoot, Problem } from '@sluice/protocol'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import type { EntryId } from '../cache/entry.ts'
import { createCheckpoint } from './checkpoint.ts'
import { createChunkClaims } from './chunk-claims.ts'
import { completePage } from './complete-page.ts'
import { type ContentTree, openContentTree } from './content-tree.ts'
import type { PageSource } from './fetch-page.ts'
import { createFileChoice } from './file-choice.ts'
import { type ContentAccess, createLayouts } from './layouts.ts'
import type { Ledger } from './ledger.ts'
import type { Patience } from './patience.ts'
import type { Seeds } from './seeds/seeds.ts'
import { createStreamCount, type StreamCount } from './stream-count.ts'
import { createStreamPool } from './stream-pool.ts'
import type { Tally } from './tally.ts'

export interface DownloadOrder {
  contentId: ContentId
  manifest: CatalogueReference
  /** Stored bytes of all frames, for displays. */
  storedBytes: number
  /** Made when it is missing. */
  folder: string
  /** Patterns of the files that are wanted; undefined: all. */
  files?: readonly string[] | undefined
  /** What of it may be on this device already. */
  seeds?: Seeds
  /** Name of the folder's state in the ledger. */
  entryId: EntryId
  /** Whether the ledger may save reading what is there; otherwise everything is hashed. */
  trustLedger: boolean
  /** Ranges that are fetched at the same time, at most. */
  streams: number
  source: PageSource
  patience: Patience
  tally: Tally
  ledger: Ledger
  /** Bytes of the manifest root. */
  fetchTarget: (reference: CatalogueReference, signal: AbortSignal) => Promise<Result<Uint8Array>>
  access: () => Promise<Result<ContentAccess>>
  /** The layout is no longer true: asks for another. `gone` is what is not where it says. */
  renewAccess: (gone: Problem) => Promise<Result<ContentAccess>>
  /** Makes sure that there is room for so many plain bytes in all. */
  reserve: (totalBytes: number) => Promise<Result<void>>
  onProgress: (doneBytes: number, totalBytes: number) => void
  signal: AbortSignal
}

/** Pages of the manifest that are worked on at the same time. */
const PAGES_AT_ONCE = 3
/** Streams to begin with: enough for most lines, and soon more for those that starve each of them. */
export const FIRST_STREAMS = 8
/** Frames in memory beside those that the streams are receiving: they wait to be opened. */
const FRAMES_AHEAD = 1

/**
 * Problems: `CONTENT_CORRUPT`, `MANIFEST_REFUSED`, `NO_SPACE`, refusals of site or gateway, or why the
 * source could not be reached for too long. What was fetched stays in the folder in every case.
 */
export async function downloadContent(order: DownloadOrder): Promise<Result<void>> {
  const { contentId, manifest, patience, tally, signal } = order
  const rootBytes = await patience.insist(() => order.fetchTarget(manifest, signal))
  if (!rootBytes.ok) return rootBytes
  const root = readManifestRoot(rootBytes.value, contentId)
  if (!root.ok) return root
  if (tally.current().metadataBytes === 0) tally.add({ metadataBytes: rootBytes.value.length })
  const chosen = await choose(order, root.value)
  if (!chosen.ok) return chosen
  const reserved = await order.reserve(chosen.value.totalBytes)
  if (!reserved.ok) return reserved

  const count = createStreamCount({ first: FIRST_STREAMS, most: order.streams })
  const tree = await openContentTree(order.folder, () => count.streams() + FRAMES_AHEAD, order.seeds)
  try {
    const done = await completePages(order, root.value, { tree, count, chosen: chosen.value })
    if (!done.ok) return done
    await tree.finish()
    await tally.checkpoint()
    return ok(undefined)
  } finally {
    await tree.close()
  }
}

interface Chosen {
  /** Plain bytes of what is wanted. */
  totalBytes: number
  of: (page: ManifestPage) => ManifestPage
}

/** What of the content is wanted. For some of its files all pages are looked at first: `FILES_NOT_IN_PACKAGE`. */
async function choose(order: DownloadOrder, root: ManifestRoot): Promise<Result<Chosen>> {
  if (order.files === undefined) return ok({ totalBytes: root.totalBytes, of: (page) => page })
  const choice = createFileChoice(order.files, root.target)
  const layouts = createLayouts(order, root)
  let totalBytes = 0
  for (const number of root.pages.keys()) {
    const page = await layouts.manifestPage(number)
    if (!page.ok) return page
    totalBytes += choice.count(page.value)
  }
  const unmet = choice.unmet()
  if (unmet.length > 0) return failed(problem('FILES_NOT_IN_PACKAGE', `Nothing fits ${unmet.join(', ')}.`))
  return ok({ totalBytes, of: choice.of })
}

/** D4. Everything that was begun has ended when it returns. */
async function completePages(
  whole: DownloadOrder,
  root: ManifestRoot,
  { tree, count, chosen }: { tree: ContentTree; count: StreamCount; chosen: Chosen },
): Promise<Result<void>> {
  const enough = new AbortController()
  const signal = AbortSignal.any([whole.signal, enough.signal])
  const order = { ...whole, signal, source: { ...whole.source, signal } }
  const layouts = createLayouts(order, root)
  const progress = createProgress(order, chosen.totalBytes, root.totalBytes)
  const streams = createStreamPool(count, order.source.line)
  const claims = createChunkClaims(tree.isHere)
  // D2
  const checkpoint = createCheckpoint(tree.sync, (pages) => {
    for (const { number, bits } of pages) order.ledger.write(order.entryId, number, bits)
  })
  /** The first thing that ends it all; the other pages then end with an abort that says nothing. */
  let end: { problem: Problem } | { error: unknown } | undefined
  const running = new Set<Promise<void>>()
  let before: Promise<void> = Promise.resolve()

  const complete = async (number: number, finished: Promise<void>, onPlanned: () => void) => {
    try {
      const page = await layouts.manifestPage(number)
      const work = { number, tree, layouts, progress, streams, claims, checkpoint, before: finished, onPlanned }
      const done = page.ok ? await completePage(order, { ...work, page: chosen.of(page.value) }) : page
      if (done.ok) return
      end ??= { problem: done.problem }
    } catch (error) {
      end ??= { error }
    } finally {
      claims.release(number)
    }
    enough.abort()
  }
  try {
    for (const number of root.pages.keys()) {
      if (running.size >= PAGES_AT_ONCE) await Promise.race(running)
      // A page that ended may have failed, and then nobody is hungry any more.
      await Promise.race([streams.hungry(), ...running])
      if (end !== undefined) break
      const planned = Promise.withResolvers<void>()
      const one: Promise<void> = complete(number, before, planned.resolve).finally(() => running.delete(one))
      running.add(one)
      await Promise.race([planned.promise, one])
      before = one
    }
    // D6
    streams.ending()
    await Promise.all(running)
  } finally {
    streams.close()
    checkpoint.close()
    // Whoever wrote has heard of its failure.
    await checkpoint.settled().catch(() => {})
  }
  if (end === undefined) return ok(undefined)
  if ('problem' in end) return failed(end.problem)
  throw end.error
}

export interface Progress {
  fetched(storedBytes: number): void
  present(plainBytes: number): void
}

/**
 * Stored bytes that are there, of all that are wanted. What was there before, and what a part of a content
 * takes, is estimated from plain bytes.
 */
function createProgress({ storedBytes, onProgress }: DownloadOrder, wantedBytes: number, totalBytes: number): Progress {
  const rate = totalBytes === 0 ? 0 : storedBytes / totalBytes
  const wanted = wantedBytes === totalBytes ? storedBytes : Math.round(wantedBytes * rate)
  let done = 0
  const add = (bytes: number) => {
    done = Math.min(wanted, done + bytes)
    onProgress(Math.floor(done), wanted)
  }
  return { fetched: add, present: (plainBytes) => add(plainBytes * rate) }
}
