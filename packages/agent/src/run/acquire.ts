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
import type { AcquiredContent } from '@sluice/engine'
import { failed, ok, type PackageId, type PolicyPackage, problem, type Result } from '@sluice/protocol'
import type { Cache } from '../cache/cache.ts'
import type { CacheKey } from '../cache/cache-rows.ts'
import { entryIdOf } from '../cache/entry.ts'
import type { FlightEvents, Flights } from '../cache/flights.ts'
import { downloadContent } from '../download/download.ts'
import { createGrants, type KeptGrants } from '../download/grants.ts'
import type { Ledger } from '../download/ledger.ts'
import type { PageFolder } from '../download/page-folder.ts'
import { createPatience } from '../download/patience.ts'
import { type Bytes, openTally, readTally, type Tally } from '../download/tally.ts'
import { createUrlBook } from '../download/url-book.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { Catalogue } from '../trust/catalogue.ts'

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

export const defaultDownloadLimits: DownloadLimits = {
  streams: 24,
  idleMs: 30_000,
  maxPauseMs: 15_000,
  noProgressMs: 24 * 3600_000,
}

/** What a step hears of its content. */
export type AcquireEvents = FlightEvents

export interface RunContents {
  /** Asks for the right to fetch, in the background. */
  prepare(): void
  acquire(
    packageId: PackageId,
    retry: { count: number; delayMs: number },
    signal: AbortSignal,
    events: AcquireEvents,
  ): Promise<Result<AcquiredContent>>
  /** What this run needed and fetched of a package so far. */
  bytes(packageId: PackageId): Bytes
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
  client: Pick<GatewayClient, 'call' | 'objectTarget'>
  catalogue: Pick<Catalogue, 'fetchTarget'>
  sealKey: KeyObject
  grants: KeptGrants | undefined
  keepGrants: (grants: KeptGrants) => void
  /** Milliseconds since 1970, by the site's signed time. */
  now: () => number
  random: () => number
  limits?: DownloadLimits
  /** The agent ends, or the run is cancelled. */
  stop: AbortSignal
}

export function createRunContents(options: RunContentsOptions): RunContents {
  const { packages, folder, cache, flights, ledger, pages, client, catalogue, random, stop } = options
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
  const urls = createUrlBook({ client, token: grants.token, signal: stop })
  mkdirSync(join(folder, 'bytes'), { recursive: true, mode: 0o700 })
  const tallyPath = (packageId: PackageId) => join(folder, 'bytes', packageId)

  /** What opens the content: kept with it in the cache, or granted by the site. */
  const access = async (pack: PolicyPackage, renewed: boolean): Promise<Result<CacheKey>> => {
    const kept = cache.find(entryIdOf(pack.contentId))?.key
    if (kept !== undefined && !renewed) return ok(kept)
    if (renewed) {
      const again = await grants.renew(pack.contentId)
      if (!again.ok) return again
    }
    const granted = await grants.grant(pack.contentId)
    if (!granted.ok) return granted
    const key = await grants.packageKey(pack.contentId)
    return key.ok ? ok({ packageKey: key.value, layout: granted.value.layout }) : key
  }

  const once = async (pack: PolicyPackage, signal: AbortSignal, events: AcquireEvents): Promise<Result<void>> => {
    const { contentId, manifest, storedBytes } = pack
    const entryId = entryIdOf(contentId)
    const here = cache.find(entryId)?.complete === true
    cache.begin({ entryId, packageId: pack.id, version: pack.version, persist: pack.persist === true })
    const counted = openTally(tallyPath(pack.id))
    const tally: Tally = {
      ...counted,
      add(bytes) {
        counted.add(bytes)
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
    const remember = (key: Result<CacheKey>) => {
      if (key.ok) used = key.value
      return key
    }
    try {
      const done = await downloadContent({
        contentId,
        manifest,
        storedBytes,
        folder: here ? cache.folderOf(entryId) : cache.incomingOf(entryId),
        trustLedger: !here,
        streams: limits.streams,
        source: { pages, urls, patience, tally, signal, idleMs: limits.idleMs },
        patience,
        tally,
        ledger,
        fetchTarget: (reference, aborted) => catalogue.fetchTarget(reference, aborted),
        access: async () => remember(await access(pack, false)),
        renewAccess: async () => remember(await access(pack, true)),
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
    } catch (error) {
      signal.throwIfAborted()
      const full = fullDisk(error, cache.incomingOf(entryId))
      if (full === undefined) throw error
      return failed(full)
    } finally {
      tally.close()
    }
  }

  return {
    prepare() {
      const [first] = contentIds
      // What it says is asked again when a step needs it.
      if (first !== undefined) void grants.token(first).catch(() => {})
    },
    async acquire(packageId, retry, signal, events) {
      const pack = packages.find((one) => one.id === packageId)
      if (pack === undefined)
        return failed(problem('NOT_RELEASED', `Package ${packageId} is not part of this deployment.`))
      for (let tries = 0; ; tries++) {
        const result = await flights.fly(entryIdOf(pack.contentId), events, signal, (all) => once(pack, signal, all))
        if (result.ok) {
          const { neededBytes, fetchedBytes } = readTally(tallyPath(packageId))
          return ok({ folder: cache.folderOf(entryIdOf(pack.contentId)), neededBytes, fetchedBytes })
        }
        const reason = { ...result.problem, detail: `${pack.name} (${packageId}): ${result.problem.detail}` }
        if (tries >= retry.count || reason.retry === 'never') return failed(reason)
        events.onWaiting(reason)
        await delay(retry.delayMs, undefined, { signal }).catch(() => signal.throwIfAborted())
        events.onWaiting(undefined)
      }
    },
    bytes: (packageId) => readTally(tallyPath(packageId)),
  }
}
