/**
 * The contents of a device, for its runs and for what is fetched in advance: one cache, one line, one of whatever
 * must know of every download. Made without effect; the cache is opened when it is first asked for.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { RunId } from '@sluice/protocol'
import { type Cache, openCache } from '../cache/cache.ts'
import { createFlights } from '../cache/flights.ts'
import { createPreCache, type PreCache } from '../cache/pre-cache.ts'
import { createLine } from '../download/budget/line.ts'
import { createMeteredProbe } from '../download/budget/metered-probe.ts'
import { createMeteredUse } from '../download/budget/metered-use.ts'
import { createLedger } from '../download/ledger.ts'
import { createPageFolder } from '../download/page-folder.ts'
import { makeFolder } from '../state/durable-file.ts'
import { createRunContents, type RunContents, type RunContentsOptions } from './acquire.ts'
import type { RunParts } from './runs.ts'

const PAGES_KEPT_MS = 30 * 24 * 3600_000

export interface DeviceContents {
  /** The cache, mended after whatever ended before. */
  open(): Promise<Cache>
  /** For one run, or one round of fetching in advance. */
  of(order: Pick<RunContentsOptions, 'packages' | 'folder' | 'cache' | 'grants' | 'keepGrants' | 'stop'>): RunContents
  preCache: PreCache
  /** Keeps what was counted on a metered line. */
  flush(): void
}

export function createDeviceContents(parts: RunParts): DeviceContents {
  const { config, state, platform, log, now } = parts
  const pages = createPageFolder(join(config.stateFolder, 'pages'))
  const ledger = createLedger(state)
  const flights = createFlights()
  const meteredUse = createMeteredUse(state)
  const line = createLine({
    settings: parts.clientSettings,
    now,
    monotonicMs: () => performance.now(),
    probe: createMeteredProbe(config.metered, () => performance.now()),
    use: meteredUse,
  })
  let opened: Promise<Cache> | undefined

  const open = (): Promise<Cache> => {
    opened ??= (async () => {
      const cache = await openCache({
        folder: join(config.stateFolder, 'cache'),
        state,
        now,
        limits: () => parts.clientSettings().clientCache,
      })
      // Whatever fetched in the background did so in an earlier life.
      cache.releaseOthers((holder) => RunId.safeParse(holder).success)
      await cache.scan()
      await pages.sweep(now(), PAGES_KEPT_MS)
      return cache
    })()
    return opened
  }

  const contentsOf = (
    order: Pick<RunContentsOptions, 'packages' | 'folder' | 'cache' | 'grants' | 'keepGrants' | 'stop'>,
  ) =>
    createRunContents({
      ...order,
      ...{ flights, ledger, pages, line, client: parts.client, catalogue: parts.catalogue, now },
      localSeeds: { folders: config.seedFolders, except: config.stateFolder },
      sealKey: parts.keys.seal,
      random: Math.random,
    })
  const preCacheFolder = join(config.stateFolder, 'pre-cache')
  const preCache = createPreCache({
    cache: open,
    async contents(packages, stop) {
      // What was counted for another round says nothing about this one.
      await rm(preCacheFolder, { recursive: true, force: true })
      await makeFolder(preCacheFolder)
      const cache = await open()
      return contentsOf({ packages, folder: preCacheFolder, cache, grants: undefined, keepGrants() {}, stop })
    },
    facts: () => platform.facts(),
    now,
    log,
  })

  return { open, of: contentsOf, preCache, flush: () => meteredUse.flush() }
}
