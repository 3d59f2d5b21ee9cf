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
 *       or with the run; who may, `pauses.ts` says.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { flatten } from '@sluice/engine'
import { failed, ok, type Problem, problem, type Result, type RunId } from '@sluice/protocol'
import { createBackoff } from '../backoff.ts'
import type { Cache } from '../cache/cache.ts'
import { makeFolder, removeFolder } from '../state/durable-file.ts'
import { beginRun } from './begin-run.ts'
import { carryRun } from './carry-run.ts'
import { createDeviceContents } from './device-contents.ts'
import { createPauses } from './pauses.ts'
import { createProgress, type Progress } from './progress.ts'
import { createRunOrders } from './run-orders.ts'
import { finishedSteps } from './run-report.ts'
import { createRunStore, type RunRecord } from './run-store.ts'
import type { CreateRuns, RunParts, Runs } from './runs.ts'

export const createRuns: CreateRuns = (parts: RunParts): Runs => {
  const { config, state, outbox, log } = parts
  const store = createRunStore(state)
  const contents = createDeviceContents(parts)
  const orders = createRunOrders()
  const folders = { runs: join(config.stateFolder, 'runs'), logs: join(config.stateFolder, 'logs') }
  const listeners = new Set<() => void>()
  const stopped = new AbortController()
  const tell = () => {
    for (const listener of listeners) listener()
  }
  /** The run that goes on: it is set before anything is awaited, so that there is one at most. */
  let active: { ended: Promise<void> } | undefined
  /** The run that is carried now, and what ends it. */
  let carried: { runId: RunId; record: RunRecord; cancel: AbortController } | undefined
  let progress: Progress | undefined

  const open = async (): Promise<Cache> => {
    for (const folder of Object.values(folders)) await makeFolder(folder)
    return contents.open()
  }
  const carry = async (record: RunRecord, cache: Cache, installedAtMs: number | undefined): Promise<void> => {
    const { runId, accepted } = record
    const table = flatten(accepted.sequence)
    const cancel = new AbortController()
    carried = { runId, record, cancel }
    // W5
    if (store.cancelWanted(runId)) cancel.abort()
    progress?.close()
    progress = createProgress({
      runId,
      deploymentId: accepted.deployment.id,
      stepCount: table.stepCount,
      finished: finishedSteps(store.journal(runId), table),
      tell,
    })
    progress.set(pauses.shown(record))
    const finished = await carryRun(parts, {
      ...{ record, table, cache, contents, store, orders, pauses, progress, installedAtMs },
      ...{ folder: join(folders.runs, runId), logPath: join(folders.logs, 'smsts.log') },
      ...{ stop: stopped.signal, cancel: cancel.signal },
    })
    if (finished) carried = undefined
  }
  const pauses = createPauses({
    ...{ store, state, outbox, orders, log, now: parts.now },
    onChanged() {
      if (carried !== undefined) progress?.set(pauses.shown(carried.record))
    },
  })
  const inProgress = (): Problem => problem('RUN_IN_PROGRESS', `Run ${progress?.current().runId ?? ''} goes on.`)

  return {
    async start(accepted, by) {
      const installedAtMs = performance.now()
      if (active !== undefined) return failed(inProgress())
      // W2: it is not waited for.
      void contents.preCache.pause()
      const started = Promise.withResolvers<Result<{ runId: RunId }>>()
      const ended = (async () => {
        const cache = await open()
        const begun = await beginRun(parts, { accepted, by, installedAtMs, store, cache, folders })
        if (!begun.ok) return started.resolve(begun)
        started.resolve(ok({ runId: begun.value.runId }))
        await keepCarrying(begun.value, cache, installedAtMs)
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
    pauseByUser: (deploymentId, paused) => pauses.byUser(carried?.record, deploymentId, paused),
    keepPaused(paused, resumed = []) {
      const runId = store.unfinished()
      if (runId !== undefined)
        pauses.byAdministrator(runId, { paused: paused.includes(runId), resumed: resumed.includes(runId) })
    },
    debug: (given) => orders.setDebug(given),
    async resume() {
      const cache = await open()
      if (active !== undefined) return
      const record = readActive()
      await removeOldFolders(folders.runs, record?.runId)
      if (record === undefined) return
      void contents.preCache.pause()
      active = { ended: letGo(keepCarrying(record, cache, undefined)) }
    },
    consider(deployments) {
      contents.preCache.consider(deployments)
      const packages = deployments.flatMap(({ deployment }) => deployment.packages)
      void open()
        .then((cache) => {
          for (const { id, persist } of packages) cache.persist(id, persist === true)
        })
        .catch((error: unknown) => log.warn('what persists could not be noted', { error }))
    },
    async stop() {
      stopped.abort()
      await contents.preCache.stop()
      await active?.ended
      contents.flush()
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
        await delay(waitMs, undefined, { signal: stopped.signal }).catch(() => {})
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
    contents.preCache.resume()
    tell()
  }
}

async function removeOldFolders(runsFolder: string, except: string | undefined): Promise<void> {
  for (const name of await readdir(runsFolder)) if (name !== except) await removeFolder(join(runsFolder, name))
}
