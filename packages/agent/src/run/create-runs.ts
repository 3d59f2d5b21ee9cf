/**
 * Runs: one at a time, from *Install* to the report, over any number of ends of this process and of
 * the machine.
 *
 *   W1. A run is durable before `start` returns: what was accepted (policy, sequence, packages), its
 *       first state, the leases on its contents and the message that it began are one transaction.
 *   W2. Nothing that the network has to do stands between *Install* and the first step.
 *   W3. A run goes on from its last commit, whatever ended before; what is thrown on the way is tried
 *       again with growing pauses, since a disk may have room later.
 *   W4. The machine is asked for a restart only after the engine has committed that it waits for it.
 *   W5. The wish to cancel is durable before it acts, and outlives this process and the machine.
 *   W7. In the debugger a run waits between two steps for orders, on no clock and without work of its own;
 *       an order is obeyed by one commit, with its answer to the site in it.
 *   W6. So is the wish to pause. A pause begins between two steps; it ends when who asked for it ends it,
 *       or with the run. What the administrator paused the user cannot set going.
 */
import { randomBytes } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { advance, flatten, type InstructionTable, type RunState, secretsOf, startRun } from '@sluice/engine'
import {
  debugBounds,
  failed,
  idFromRandom,
  type NumberedDebugOrder,
  ok,
  type Problem,
  problem,
  type Result,
  RunId,
} from '@sluice/protocol'
import { createBackoff } from '../backoff.ts'
import { type Cache, openCache } from '../cache/cache.ts'
import { createFlights } from '../cache/flights.ts'
import { createPreCache } from '../cache/pre-cache.ts'
import { createLine } from '../download/budget/line.ts'
import { createMeteredProbe } from '../download/budget/metered-probe.ts'
import { createMeteredUse } from '../download/budget/metered-use.ts'
import { createLedger } from '../download/ledger.ts'
import { createPageFolder } from '../download/page-folder.ts'
import { deskPath, openSecretDesk } from '../secrets/secret-desk.ts'
import { makeFolder } from '../state/durable-file.ts'
import { createRunContents, type RunContentsOptions } from './acquire.ts'
import { createTraceLog, mask, rotateTraceLog } from './cmtrace-log.ts'
import { endOfLog, mayDebug, nextOrder, obeyOrder } from './debugger.ts'
import { createHost, hiddenValues } from './host.ts'
import { logLine } from './journal-words.ts'
import { createProgress, type Progress } from './progress.ts'
import { finishedSteps } from './run-report.ts'
import { createRunStore, type RunRecord } from './run-store.ts'
import { createRunners } from './runners.ts'
import type { AcceptedDeployment, CreateRuns, PausedBy, RunParts, Runs } from './runs.ts'

const PAGES_KEPT_MS = 30 * 24 * 3600_000
/** After this time a machine that agreed to restart is asked again. */
const RESTART_MS = 5 * 60_000
/** After this time a machine that refused to restart is asked again. */
const RESTART_REFUSED_MS = 60_000

export const createRuns: CreateRuns = (parts: RunParts): Runs => {
  const { config, state, platform, outbox, log, now } = parts
  const store = createRunStore(state)
  const runsFolder = join(config.stateFolder, 'runs')
  const logFolder = join(config.stateFolder, 'logs')
  const logPath = join(logFolder, 'smsts.log')
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
  const listeners = new Set<() => void>()
  /** Of pauses and of the debugger. */
  const orderWaiters = new Set<() => void>()
  let debugOrders: readonly NumberedDebugOrder[] = []
  const stopped = new AbortController()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  let opened: Promise<Cache> | undefined
  /** The run that goes on: it is set before anything is awaited, so that there is one at most. */
  let active: { ended: Promise<void> } | undefined
  /** The run that is carried now, and what ends it. */
  let carried: { runId: RunId; cancel: AbortController } | undefined
  let progress: Progress | undefined

  const open = (): Promise<Cache> => {
    opened ??= (async () => {
      for (const folder of [runsFolder, logFolder]) await makeFolder(folder)
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

  const begin = async (
    accepted: AcceptedDeployment,
    by: 'user' | 'deadline',
    installedAtMs: number,
  ): Promise<Result<{ record: RunRecord; cache: Cache }>> => {
    const cache = await open()
    const { deployment, sequence } = accepted
    const startedAt = Math.round(now() - (performance.now() - installedAtMs))
    const started = startRun({
      sequence,
      table: flatten(sequence),
      sequenceId: deployment.sequenceId,
      deploymentId: deployment.id,
      settings: deployment.settings,
      variables: accepted.variables,
      undeclaredInputs: parts.catalogue.mode() === 'online' ? 'allow' : 'refuse',
      startedBy: by,
      facts: await platform.facts(),
      machine: await platform.machine(),
      device: { dataPath: runsFolder, cachePath: join(config.stateFolder, 'cache') },
      logPath: logFolder,
      at: startedAt,
    })
    if (!started.ok) return started
    const runId = RunId.parse(idFromRandom('run', randomBytes(20)))
    const record: RunRecord = {
      runId,
      accepted,
      startedAt,
      osBefore: await platform.osName(),
      firstStepMs: undefined,
      grants: undefined,
      state: started.value.state,
    }
    // W1
    state.transaction(() => {
      store.begin(record, started.value.entries)
      cache.lease(
        runId,
        deployment.packages.map((pack) => pack.contentId),
      )
      outbox.enqueue({ kind: 'runStarted', runId, deploymentId: deployment.id, startedBy: by })
    })
    return ok({ record, cache })
  }

  /** Carries a run until it is finished or this process lets go of it. */
  const carry = async (record: RunRecord, cache: Cache, installedAtMs: number | undefined): Promise<void> => {
    const { runId, accepted } = record
    const { deployment, sequence } = accepted
    const table = flatten(sequence)
    const folder = join(runsFolder, runId)
    const [attempts, workFolder] = [join(folder, 'attempts'), join(folder, 'work')]
    for (const path of [attempts, workFolder]) await makeFolder(path)
    let current = record.state
    let shownLog: string | undefined
    const cancelling = new AbortController()
    carried = { runId, cancel: cancelling }
    // W5
    if (store.cancelWanted(runId)) cancelling.abort()
    const cancel = cancelling.signal
    const ending = AbortSignal.any([stopped.signal, cancel])
    const trace = createTraceLog({ path: logPath, masked: () => hiddenValues(current), now })
    const shown = createProgress({
      runId,
      deploymentId: deployment.id,
      stepCount: table.stepCount,
      finished: finishedSteps(store.journal(runId), table),
      tell,
    })
    progress?.close()
    progress = shown
    const contents = contentsOf({
      packages: deployment.packages,
      folder,
      cache,
      grants: record.grants,
      keepGrants: (grants) => store.keepGrants(runId, grants),
      stop: ending,
    })
    const desk = await openSecretDesk({
      runFolder: folder,
      runId,
      deploymentId: deployment.id,
      namesOf: (attempt) => secretsOfAttempt(attempt, current, table),
      reveal: parts.revealSecret,
    })
    using _open = { [Symbol.dispose]: () => desk.close() }
    const host = createHost({
      record,
      table,
      state,
      store,
      outbox,
      cache,
      platform,
      contents,
      runners: createRunners({ folder: attempts, bootId: platform.bootId }),
      progress: shown,
      // H2: what is only for people must not end a run.
      log: { write: (...entries) => attempt('smsts.log', () => trace.write(...entries)) },
      logPath,
      osRoot: config.osRoot,
      workFolder,
      secretDesk: deskPath(folder),
      now,
      installedAtMs,
      debugLog: () => shownLog,
      onCommit(next) {
        current = next
        if (next.phase.kind === 'ready')
          attempt('smsts.log', () => rotateTraceLog(logPath, config.smstsLog, new Date(now())))
      },
    })
    attempt('smsts.log', () => {
      rotateTraceLog(logPath, config.smstsLog, new Date(now()))
      if (isUntouched(current)) trace.write(...store.journal(runId).map((entry) => logLine(entry, table)))
    })
    // W2
    contents.prepare()

    const allFirst = deployment.settings.contentOption === 'allBeforeStart'
    try {
      if (allFirst && isUntouched(current)) await fetchAll(current)
      for (;;) {
        const pauseWanted = () => store.pausedBy(runId) !== undefined
        const moved = await advance({
          ...{ table, state: current, host, stop: stopped.signal, cancel, pauseWanted },
          debugWanted: () => nextOrder(debugOrders, runId, current) !== undefined,
          mayDebug: allowsDebugger(),
        })
        if (moved.kind === 'stopped') return
        if (moved.kind === 'finished') break
        if (moved.kind === 'paused') {
          await rest()
          continue
        }
        if (moved.kind === 'debug') {
          await debug()
          continue
        }
        await restart(moved.timeoutSeconds)
        if (stopped.signal.aborted) return
      }
    } finally {
      await contents.close()
    }
    carried = undefined
    shown.set({ phase: 'finished' })
    await rm(folder, { recursive: true, force: true })
    await cache.trim()

    /** *Download all content locally before starting task sequence*. */
    async function fetchAll(at: RunState): Promise<void> {
      const { downloadRetryCount: count, downloadRetryDelayMs: delayMs } = deployment.settings
      for (const pack of deployment.packages) {
        const content = await host
          .acquire(pack.id, { count, delayMs }, ending, undefined, undefined)
          .catch((error: unknown) => {
            if (cancel.aborted) return undefined
            throw error
          })
        // The engine ends the run.
        if (content === undefined || cancel.aborted) return
        if (content.ok) continue
        const result = { kind: 'failure', step: 'Download all content', problem: content.problem } as const
        const entry = { kind: 'runFinished', at: now(), result } as const
        return host.commit({ ...at, phase: { kind: 'finished', result } }, [entry])
      }
    }

    /** W6 */
    async function rest(): Promise<void> {
      await host.commit(current, [{ kind: 'paused', at: now() }])
      shown.set({ phase: 'paused' })
      while (store.pausedBy(runId) !== undefined && !ending.aborted) await orderComes(ending)
      if (stopped.signal.aborted) return
      shown.set({ phase: 'running' })
      await host.commit(current, [{ kind: 'resumed', at: now() }])
    }

    /** Live: a site that moves to offline mode in between counts at once. */
    function allowsDebugger(): boolean {
      return mayDebug(sequence, parts.catalogue.mode())
    }

    /** W7 */
    async function debug(): Promise<void> {
      const order = nextOrder(debugOrders, runId, current)
      if (order === undefined) {
        shown.set({ phase: 'paused' })
        await orderComes(ending)
        return
      }
      const obeyed = obeyOrder(table, current, order, { allowed: allowsDebugger(), at: now() })
      shownLog = obeyed.showsLog
        ? mask(await endOfLog(logPath), hiddenValues(current)).slice(-debugBounds.logText)
        : undefined
      await host.commit(obeyed.state, obeyed.entries)
      shownLog = undefined
      if (obeyed.state.debug?.mode !== 'waiting') shown.set({ phase: 'running' })
    }

    /** W4 */
    async function restart(timeoutSeconds: number): Promise<void> {
      shown.set({ phase: 'restarting' })
      await pause(timeoutSeconds * 1000, ending)
      if (ending.aborted) return
      const asked = await platform.restart()
      if (!asked.ok) log.error('the machine does not restart', { runId, problem: asked.problem })
      await pause(asked.ok ? RESTART_MS : RESTART_REFUSED_MS, ending)
    }
  }

  /** Waits until an order for the run came, or a wish to pause came or went. */
  const orderComes = (signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      const done = () => {
        orderWaiters.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      orderWaiters.add(done)
      signal.addEventListener('abort', done)
      if (signal.aborted) done()
    })
  const changePause = (change: (runId: RunId) => boolean, told: string, by: PausedBy) => {
    const runId = store.unfinished()
    if (runId === undefined || !change(runId)) return false
    log.info(told, { runId, by })
    for (const waiter of [...orderWaiters]) waiter()
    return true
  }
  const pause = (ms: number, signal = stopped.signal) => delay(ms, undefined, { signal }).catch(() => {})
  const attempt = (what: string, work: () => void) => {
    try {
      work()
    } catch (error) {
      log.warn(`${what} could not be written`, { error })
    }
  }
  const inProgress = (): Problem => problem('RUN_IN_PROGRESS', `Run ${progress?.current().runId ?? ''} goes on.`)

  return {
    async start(accepted, by) {
      const installedAtMs = performance.now()
      if (active !== undefined) return failed(inProgress())
      // W2: it is not waited for.
      void preCache.pause()
      const started = Promise.withResolvers<Result<{ runId: RunId }>>()
      const ended = (async () => {
        const begun = await begin(accepted, by, installedAtMs)
        if (!begun.ok) return started.resolve(begun)
        started.resolve(ok({ runId: begun.value.record.runId }))
        await keepCarrying(begun.value.record, begun.value.cache, installedAtMs)
      })()
      active = { ended: letGo(ended) }
      ended.catch((error: unknown) => started.reject(error))
      return started.promise
    },
    progress: () => progress?.current(),
    onProgress(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    lastReport: store.lastReport,
    cancel(named) {
      const runId = named ?? carried?.runId
      if (runId === undefined || !store.wantCancel(runId)) return
      if (carried?.runId === runId && !carried.cancel.signal.aborted) {
        log.info('the run is cancelled', { runId })
        carried.cancel.abort()
      }
    },
    pause: (by) => changePause((runId) => store.setPaused(runId, by), 'the run is paused', by),
    goOn: (by) => changePause((runId) => store.endPause(runId, by), 'the run goes on', by),
    keepPaused(paused) {
      const runId = store.unfinished()
      if (runId === undefined) return
      if (paused.includes(runId)) this.pause('administrator')
      else this.goOn('administrator')
    },
    debug(orders) {
      debugOrders = orders
      for (const waiter of [...orderWaiters]) waiter()
    },
    async resume() {
      const cache = await open()
      if (active !== undefined) return
      const record = readActive()
      await removeOldFolders(runsFolder, record?.runId)
      if (record === undefined) return
      void preCache.pause()
      active = { ended: letGo(keepCarrying(record, cache, undefined)) }
    },
    consider(deployments) {
      preCache.consider(deployments)
      const packages = deployments.flatMap(({ deployment }) => deployment.packages)
      void open()
        .then((cache) => {
          for (const { id, persist } of packages) cache.persist(id, persist === true)
        })
        .catch((error: unknown) => log.warn('what persists could not be noted', { error }))
    },
    async stop() {
      stopped.abort()
      await preCache.stop()
      await active?.ended
      meteredUse.flush()
      progress?.close()
    },
  }

  /** W3 */
  async function keepCarrying(first: RunRecord, cache: Cache, installedAtMs: number | undefined): Promise<void> {
    const backoff = createBackoff({ firstMs: 1_000, maxMs: 60_000, random: Math.random })
    for (let record: RunRecord | undefined = first; record !== undefined; record = readActive()) {
      try {
        return await carry(record, cache, record === first ? installedAtMs : undefined)
      } catch (error) {
        if (stopped.signal.aborted) return
        const waitMs = backoff.next()
        log.error('the run was held up and is tried again', { runId: record.runId, error, waitMs })
        await pause(waitMs)
        if (stopped.signal.aborted) return
      }
    }
  }

  /** E11: a run that cannot be read is kept as it is, told of, and never carried. */
  function readActive(): RunRecord | undefined {
    try {
      return store.active()
    } catch (error) {
      log.error('a run that was under way cannot be read', { error })
      const damaged = problem('STATE_DAMAGED', 'A run that was under way cannot be read; it was given up.')
      state.transaction(() => {
        store.giveUp()
        outbox.enqueue({ kind: 'agentProblem', problem: damaged })
      })
      return undefined
    }
  }

  async function letGo(carried: Promise<void>): Promise<void> {
    // Who started it hears of a failure.
    await carried.catch(() => {})
    active = undefined
    preCache.resume()
    tell()
  }
}

/** Nothing of the sequence has happened yet. */
const isUntouched = (state: RunState) => state.pointer === 0 && state.phase.kind === 'ready' && state.attempts === 0

/** What the step of an attempt may ask for, as long as the attempt is under way. */
function secretsOfAttempt(
  attempt: string,
  { phase, pointer }: RunState,
  table: InstructionTable,
): string[] | undefined {
  const instruction = table.instructions[pointer]
  const underWay = phase.kind === 'stepStarting' && phase.attempt === attempt && phase.probing !== true
  return underWay && instruction?.kind === 'step' ? secretsOf(instruction.step) : undefined
}

async function removeOldFolders(runsFolder: string, except: string | undefined): Promise<void> {
  for (const name of await readdir(runsFolder))
    if (name !== except) await rm(join(runsFolder, name), { recursive: true, force: true })
}
