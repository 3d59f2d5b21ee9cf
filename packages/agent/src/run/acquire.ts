/**
 * The contents of one run: from the cache where they are, else from a gateway. What a step gets was
 * hashed since the last step that could have changed it: a content that is here already is read again
 * and mended before it is handed over.
 */
import type { KeyObject } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fullDisk } from '@sluice/content'
import type { AcquiredContent, ContentNeed } from '@sluice/engine'
import {
  type ContentId,
  failed,
  ok,
  type PackageId,
  type PolicyPackage,
  type Problem,
  problem,
  type Result,
} from '@sluice/protocol'
import type { Cache } from '../cache/cache.ts'
import type { CacheKey } from '../cache/cache-rows.ts'
import { type EntryId, entryIdOf } from '../cache/entry.ts'
import type { FlightEvents, Flights } from '../cache/flights.ts'
import type { Line } from '../download/budget/line.ts'
import { warmUp } from '../download/connection.ts'
import { downloadContent, FIRST_STREAMS } from '../download/download.ts'
import { createGrants, type KeptGrants } from '../download/grants.ts'
import type { Ledger } from '../download/ledger.ts'
import type { PageFolder } from '../download/page-folder.ts'
import { createPatience } from '../download/patience.ts'
import { type LocalFiles, readLocalFiles } from '../download/seeds/local-files.ts'
import { createSeeds } from '../download/seeds/seeds.ts'
import { createSources } from '../download/sources.ts'
import { type Bytes, openTally, readTally, type Tally } from '../download/tally.ts'
import { createUrlBook } from '../download/url-book.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import { isFullDisk } from '../state/sqlite-fault.ts'
import type { Catalogue } from '../trust/catalogue.ts'

const MiB = 1024 * 1024

export interface DownloadLimits {
  /** Ranges that are fetched at the same time, at most: fewer where more bring nothing. */
  streams: number
  /** Longest silence of a source. */
  idleMs: number
  /** Longest pause between two tries at a source that is not there. */
  maxPauseMs: number
  /** How long a source may give nothing before the try counts as failed (REL-09). */
  noProgressMs: number
}

const defaultDownloadLimits: DownloadLimits = {
  streams: 24,
  idleMs: 30_000,
  maxPauseMs: 15_000,
  noProgressMs: 24 * 3600_000,
}

/** What a step hears of its content. */
export type AcquireEvents = FlightEvents

export interface AcquireOrder {
  packageId: PackageId
  /** Patterns of the files that are needed; undefined: all. The step may get more. */
  files?: readonly string[] | undefined
  retry: { count: number; delayMs: number }
}

export interface RunContents {
  /** Asks for the right to fetch, in the background. */
  prepare(): void
  acquire(order: AcquireOrder, signal: AbortSignal, events: AcquireEvents): Promise<Result<AcquiredContent>>
  /** Brings what will be needed soon, in this order, in the background; replaces what was said before. */
  expect(needs: readonly ContentNeed[]): void
  /** What this run needed and fetched of a package so far. */
  bytes(packageId: PackageId): Bytes
  /** Ends what goes on in the background, and resolves when nothing does any more. */
  close(): Promise<void>
}

/** Files of the device that may supply chunks. */
export interface LocalSeeds {
  /** Absolute. */
  folders: readonly string[]
  /** Left out, with all below it: the agent's own folder. */
  except: string
}

export interface RunContentsOptions {
  /** Everything that the run may ask for, as it was when the run began. */
  packages: readonly PolicyPackage[]
  /** Of the run. */
  folder: string
  cache: Cache
  /** Of all who fetch into this cache. */
  flights: Flights
  ledger: Ledger
  pages: PageFolder
  localSeeds: LocalSeeds
  client: Pick<GatewayClient, 'call' | 'objectTarget' | 'likelySource'>
  catalogue: Pick<Catalogue, 'fetchTarget'>
  sealKey: KeyObject
  grants: KeptGrants | undefined
  keepGrants: (grants: KeptGrants) => void
  /** What may use the line; absent: everything. */
  line?: Line
  /** Milliseconds since 1970, by the site's signed time. */
  now: () => number
  random: () => number
  limits?: DownloadLimits
  /** The agent ends, or the run is cancelled. */
  stop: AbortSignal
}

/** What is brought: an entry of the cache, and the files that it has. */
interface Part {
  entryId: EntryId
  files: readonly string[] | undefined
}

export function createRunContents(options: RunContentsOptions): RunContents {
  const { packages, folder, cache, flights, ledger, pages, localSeeds, client, catalogue, random, stop } = options
  const limits = options.limits ?? defaultDownloadLimits
  const contentIds = [...new Set(packages.map((pack) => pack.contentId))]
  const grants = createGrants({
    client,
    contents: contentIds,
    sealKey: options.sealKey,
    kept: options.grants,
    keep: options.keepGrants,
    now: options.now,
    signal: stop,
  })
  /** Who hears where a content comes from. */
  const following = new Map<ContentId, AcquireEvents>()
  const sources = createSources((news) => following.get(news.contentId)?.onSource?.(news))
  const { line } = options
  const urls = createUrlBook({ client, token: grants.token, grant: grants.grant, sources, line, signal: stop })
  mkdirSync(join(folder, 'bytes'), { recursive: true, mode: 0o700 })
  const tallyPath = (packageId: PackageId) => join(folder, 'bytes', packageId)
  const closed = new AbortController()
  const background = AbortSignal.any([stop, closed.signal])
  let expected: readonly ContentNeed[] = []
  let lookingAhead: Promise<void> | undefined
  let localFiles: Promise<LocalFiles> | undefined
  /** Once a run: they are hashed again when they are used. */
  const readLocal = () => {
    localFiles ??= readLocalFiles(localSeeds.folders, localSeeds.except, stop)
    return localFiles
  }

  /** What opens the content: kept with it in the cache, or granted by the site. */
  const access = async (pack: PolicyPackage, entryId: EntryId, renewed: boolean): Promise<Result<CacheKey>> => {
    const kept = cache.find(entryId)?.key ?? cache.find(entryIdOf(pack.contentId))?.key
    if (kept !== undefined && !renewed) return ok(kept)
    if (renewed) {
      const again = await grants.renew(pack.contentId)
      if (!again.ok) return again
    }
    const granted = await grants.grant(pack.contentId)
    if (!granted.ok) return granted
    const { layout, layoutRoot } = granted.value
    // It is a page like others: hashed when it is read, and fetched when it is another.
    if (layoutRoot !== undefined) await pages.put(layout.hash, Buffer.from(layoutRoot, 'base64'))
    const key = await grants.packageKey(pack.contentId)
    return key.ok ? ok({ packageKey: key.value, layout }) : key
  }

  /** The root stays with the pages: what is in the cache can be a seed only with it. */
  const fetchRoot = async (pack: PolicyPackage, signal: AbortSignal): Promise<Result<Uint8Array>> => {
    const root = await catalogue.fetchTarget(pack.manifest, signal)
    if (root.ok && (await pages.get(pack.manifest.sha256)) === undefined)
      await pages.put(pack.manifest.sha256, root.value)
    return root
  }

  /** One try; a disk that is full anywhere on the way is a problem that can be mended, never a crash. */
  const bring = async (
    pack: PolicyPackage,
    part: Part,
    signal: AbortSignal,
    events: AcquireEvents,
  ): Promise<Result<void>> => {
    try {
      return await bringOnto(pack, part, signal, events)
    } catch (error) {
      signal.throwIfAborted()
      const full =
        fullDisk(error, cache.incomingOf(part.entryId)) ??
        (isFullDisk(error) ? problem('NO_SPACE', 'The disk is full: what was fetched could not be noted.') : undefined)
      if (full === undefined) throw error
      return failed(full)
    }
  }

  const bringOnto = async (
    pack: PolicyPackage,
    { entryId, files }: Part,
    signal: AbortSignal,
    events: AcquireEvents,
  ): Promise<Result<void>> => {
    const { contentId, manifest, storedBytes } = pack
    following.set(contentId, events)
    const here = cache.find(entryId)?.complete === true
    if (here) events.onSource?.({ kind: 'cache', contentId })
    cache.begin({ entryId, packageId: pack.id, version: pack.version, persist: pack.persist === true })
    const counted = await openTally(tallyPath(pack.id))
    const before = counted.current()
    /** Later, what is here came with this run. */
    const isFirst = Object.values(before).every((bytes) => bytes === 0)
    const tally: Tally = {
      ...counted,
      add({ cacheBytes = 0, ...bytes }) {
        counted.add({ ...bytes, cacheBytes: isFirst ? cacheBytes : 0 })
        if (bytes.fetchedBytes !== undefined) events.onReceived(bytes.fetchedBytes)
      },
    }
    const patience = createPatience({
      signal,
      noProgressMs: limits.noProgressMs,
      maxPauseMs: limits.maxPauseMs,
      random,
      onWaiting: events.onWaiting,
      renewToken: () => grants.renew(contentId),
    })
    let used: CacheKey | undefined
    let plainBytes = 0
    /** Told once, however often it is asked. */
    let gone: Problem | undefined
    const remember = (key: Result<CacheKey>) => {
      if (key.ok) used = key.value
      return key
    }
    const source = here ? undefined : client.likelySource()
    // While right and addresses are asked for, connections are made: that saves two round trips.
    if (source !== undefined) warmUp(source, limits.idleMs, Math.min(FIRST_STREAMS, Math.ceil(storedBytes / MiB)))
    try {
      const done = await downloadContent({
        contentId,
        entryId,
        manifest,
        storedBytes,
        files,
        seeds: createSeeds({ entryId, packageId: pack.id, cache, pages, localFiles: readLocal, signal }),
        folder: here ? cache.folderOf(entryId) : cache.incomingOf(entryId),
        trustLedger: !here,
        streams: limits.streams,
        source: {
          ...{ pages, urls, patience, tally, signal, idleMs: limits.idleMs },
          ...(options.line === undefined ? {} : { line: options.line }),
        },
        patience,
        tally,
        ledger,
        fetchTarget: (_, aborted) => fetchRoot(pack, aborted),
        access: async () => remember(await access(pack, entryId, false)),
        renewAccess: async (reason) => {
          if (gone !== reason) events.onSource?.({ kind: 'moved', contentId, problem: reason })
          gone = reason
          return remember(await access(pack, entryId, true))
        },
        reserve: async (totalBytes) => {
          plainBytes = totalBytes
          return here ? ok(undefined) : cache.reserve(entryId, totalBytes)
        },
        onProgress: events.onProgress,
        signal,
      })
      if (!done.ok) return done
      if (here) cache.touch(entryId)
      else if (used === undefined) throw new Error(`content ${contentId} came together without its key`)
      else await cache.publish(entryId, used, plainBytes)
      return ok(undefined)
    } finally {
      await tally.close()
    }
  }

  /** Where all is here, all is given. */
  const partOf = (pack: PolicyPackage, files: readonly string[] | undefined): Part => {
    const whole = entryIdOf(pack.contentId)
    const part = entryIdOf(pack.contentId, files)
    return cache.find(whole)?.complete ? { entryId: whole, files: undefined } : { entryId: part, files }
  }

  /** One try for an entry of the cache; its folder. */
  const once = (
    pack: PolicyPackage,
    files: readonly string[] | undefined,
    signal: AbortSignal,
    events: AcquireEvents,
  ): Promise<Result<string>> =>
    // One flight for a content, be it all of it or a part.
    flights.fly(entryIdOf(pack.contentId), events, signal, async (all) => {
      const part = partOf(pack, files)
      const brought = await bring(pack, part, signal, all)
      return brought.ok ? ok(cache.folderOf(part.entryId)) : brought
    })

  const lookAhead = async (): Promise<void> => {
    for (let next = expected[0]; next !== undefined; next = expected[0]) {
      const { packageId, files } = next
      expected = expected.slice(1)
      const pack = packages.find((one) => one.id === packageId)
      const here = pack === undefined || cache.find(partOf(pack, files).entryId)?.complete === true
      // What fails here is tried again, and told, when a step needs it.
      if (!here)
        await once(pack, files, background, { onProgress() {}, onReceived() {}, onWaiting() {} }).catch(() => {})
      if (background.aborted) return
    }
  }

  return {
    prepare() {
      const [first] = contentIds
      // What it says is asked again when a step needs it.
      if (first !== undefined) void grants.token(first).catch(() => {})
    },
    async acquire({ packageId, files, retry }, signal, events) {
      const pack = packages.find((one) => one.id === packageId)
      if (pack === undefined)
        return failed(problem('NOT_RELEASED', `Package ${packageId} is not part of this deployment.`))
      for (let tries = 0; ; tries++) {
        const result = await once(pack, files, signal, events)
        if (result.ok) {
          const { neededBytes, fetchedBytes } = readTally(tallyPath(packageId))
          return ok({ folder: result.value, neededBytes, fetchedBytes })
        }
        const reason = { ...result.problem, detail: `${pack.name} (${packageId}): ${result.problem.detail}` }
        if (tries >= retry.count || reason.retry === 'never') return failed(reason)
        events.onWaiting(reason)
        await delay(retry.delayMs, undefined, { signal }).catch(() => signal.throwIfAborted())
        events.onWaiting(undefined)
      }
    },
    expect(needs) {
      expected = needs
      lookingAhead ??= lookAhead().finally(() => {
        lookingAhead = undefined
      })
    },
    bytes: (packageId) => readTally(tallyPath(packageId)),
    async close() {
      expected = []
      closed.abort()
      await lookingAhead
    },
  }
}
