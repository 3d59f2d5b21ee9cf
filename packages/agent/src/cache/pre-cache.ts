/**
 * Pre-cache (configmgr-behaviour §2.8): fetches what a deployment may need before anybody starts it, where its
 * setting says so, from the time on at which it is available.
 *
 * Owns: which contents, when, one after the other. Does not own: how one comes (`run/acquire.ts`).
 *
 *   Q1. Tags of a package decide, never conditions of steps; a package without tags is for every device.
 *   Q2. A run goes first: while there is one nothing is fetched here, and what is here already is kept.
 *   Q3. What is being fetched is leased; what is here is subject to the rules of the cache like everything.
 *   Q4. A failure is tried again later, without end: nobody waits for it.
 */
import { type DeviceFacts, deploymentTiming, type PolicyPackage, type PreCacheTags } from '@sluice/protocol'
import { createBell } from '../bell.ts'
import type { Log } from '../log.ts'
import type { EvaluatedDeployment } from '../policy/evaluation.ts'
import type { RunContents } from '../run/acquire.ts'
import type { Cache } from './cache.ts'
import { entryIdOf } from './entry.ts'

export interface PreCache {
  /** What policy has now; only what is offered counts. */
  consider(deployments: readonly EvaluatedDeployment[]): void
  /** Lets go, and resolves when nothing of it works any more (Q2). */
  pause(): Promise<void>
  resume(): void
  stop(): Promise<void>
}

/** Holder of leases. */
const HOLDER = 'preCache'
/** What is not there, or not due yet, is looked for again. */
const AGAIN_MS = 10 * 60_000

export function createPreCache(options: {
  cache: () => Promise<Cache>
  /** Fetches these packages, until the signal aborts. */
  contents: (packages: readonly PolicyPackage[], stop: AbortSignal) => Promise<RunContents>
  facts: () => Promise<DeviceFacts>
  /** Milliseconds since 1970, by the site's signed time. */
  now: () => number
  log: Log
}): PreCache {
  const { contents, facts, now, log } = options
  const stopped = new AbortController()
  const bell = createBell()
  let deployments: readonly EvaluatedDeployment[] = []
  let loop: Promise<void> | undefined
  let paused = false
  /** What is under way. */
  let work: { ended: Promise<void>; abort: AbortController } | undefined

  /** Q1. Packages that are not here, of all that may be started and is due. */
  const wanted = async (cache: Cache): Promise<PolicyPackage[]> => {
    const device = await facts()
    const packages = deployments
      .filter(({ deployment, refusals }) => {
        const { settings } = deployment
        return settings.preCache && refusals.length === 0 && deploymentTiming(settings, now()) === undefined
      })
      .flatMap(({ deployment }) => deployment.packages)
      .filter((pack) => tagsFit(pack.preCache, device) && !cache.find(entryIdOf(pack.contentId))?.complete)
    return [...new Map(packages.map((pack) => [pack.contentId, pack])).values()]
  }

  const fetchAll = async (stop: AbortSignal): Promise<void> => {
    const cache = await options.cache()
    const packages = await wanted(cache)
    if (packages.length === 0) return
    // Q3
    cache.lease(
      HOLDER,
      packages.map((pack) => pack.contentId),
    )
    let source: RunContents | undefined
    try {
      source = await contents(packages, stop)
      for (const { id: packageId } of packages) {
        stop.throwIfAborted()
        const order = { packageId, retry: { count: 0, delayMs: 0 } }
        const got = await source.acquire(order, stop, { onProgress() {}, onReceived() {}, onWaiting() {} })
        // Q4
        if (got.ok) log.info('fetched in advance', { packageId, fetchedBytes: got.value.fetchedBytes })
        else log.warn('could not be fetched in advance', { packageId, problem: got.problem })
      }
    } finally {
      await source?.close()
      cache.release(HOLDER)
    }
  }

  const round = async (): Promise<void> => {
    const abort = new AbortController()
    const ended = fetchAll(AbortSignal.any([abort.signal, stopped.signal])).catch((error: unknown) => {
      if (!abort.signal.aborted && !stopped.signal.aborted) log.error('fetching in advance failed', { error })
    })
    work = { ended, abort }
    await ended
    work = undefined
  }
  const run = async () => {
    const { signal } = stopped
    while (!signal.aborted) {
      if (!paused) await round()
      await bell.wait(AGAIN_MS, signal)
    }
  }

  return {
    consider(next) {
      deployments = next
      if (loop === undefined && !next.some(({ deployment }) => deployment.settings.preCache)) return
      loop ??= run()
      bell.ring()
    },
    async pause() {
      paused = true
      work?.abort.abort()
      await work?.ended
    },
    resume() {
      paused = false
      bell.ring()
    },
    async stop() {
      stopped.abort()
      await loop
    },
  }
}

/** Whether a device has all that the tags say. */
export function tagsFit(tags: PreCacheTags | undefined, device: DeviceFacts): boolean {
  const { architecture, language, model } = tags ?? {}
  if (architecture !== undefined && architecture !== device.architecture) return false
  if (model !== undefined && !device.model.toLowerCase().includes(model.toLowerCase())) return false
  if (language === undefined) return true
  const [wanted, has] = [language.toLowerCase(), (device.language ?? '').toLowerCase()]
  return has === wanted || has.startsWith(`${wanted}-`)
}
