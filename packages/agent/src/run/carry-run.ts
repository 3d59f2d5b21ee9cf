/**
 * One run, carried until it is finished or this process lets go of it. When it begins and what follows it is
 * `create-runs.ts`'s; W2 and W4 to W7 there are kept here.
 */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { advance, type InstructionTable, type RunState, secretsOf } from '@sluice/engine'
import { debugBounds } from '@sluice/protocol'
import type { Cache } from '../cache/cache.ts'
import { deskPath, openSecretDesk } from '../secrets/secret-desk.ts'
import { makeFolder, removeFolder } from '../state/durable-file.ts'
import { createTraceLog, mask, rotateTraceLog } from './cmtrace-log.ts'
import { endOfLog, mayDebug, nextOrder, obeyOrder } from './debugger.ts'
import type { DeviceContents } from './device-contents.ts'
import { createHost, hiddenValues } from './host.ts'
import { logLine } from './journal-words.ts'
import type { Pauses } from './pauses.ts'
import type { Progress } from './progress.ts'
import type { RunOrders } from './run-orders.ts'
import type { RunRecord, RunStore } from './run-store.ts'
import { createRunners } from './runners.ts'
import type { RunParts } from './runs.ts'

/** After this time a machine that agreed to restart is asked again. */
const RESTART_MS = 5 * 60_000
/** After this time a machine that refused to restart is asked again. */
const RESTART_REFUSED_MS = 60_000

export interface CarryOptions {
  record: RunRecord
  table: InstructionTable
  cache: Cache
  contents: DeviceContents
  store: RunStore
  orders: RunOrders
  pauses: Pauses
  progress: Progress
  /** Of this run; removed when it has finished. */
  folder: string
  /** `smsts.log` */
  logPath: string
  /** When *Install* was called, on the rising clock of this process; undefined after a restart of the agent. */
  installedAtMs: number | undefined
  /** This process lets go of the run. */
  stop: AbortSignal
  /** The run shall end. */
  cancel: AbortSignal
}

/** @returns false when this process let go of it. Throws what is to be tried again. */
export async function carryRun(parts: RunParts, options: CarryOptions): Promise<boolean> {
  const { config, state, platform, outbox, log, now } = parts
  const {
    record,
    table,
    cache,
    store,
    orders,
    pauses,
    progress: shown,
    folder,
    logPath,
    installedAtMs,
    stop,
    cancel,
  } = options
  const { runId, accepted } = record
  const { deployment, sequence } = accepted
  const [attempts, workFolder] = [join(folder, 'attempts'), join(folder, 'work')]
  for (const path of [attempts, workFolder]) await makeFolder(path)
  let current = record.state
  let shownLog: string | undefined
  const ending = AbortSignal.any([stop, cancel])
  const trace = createTraceLog({ path: logPath, masked: () => hiddenValues(current), now })
  const contents = options.contents.of({
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
      const pauseWanted = () => pauses.now(record).by !== undefined
      const moved = await advance({
        ...{ table, state: current, host, stop, cancel, pauseWanted },
        debugWanted: () => nextOrder(orders.debug(), runId, current) !== undefined,
        mayDebug: allowsDebugger(),
      })
      if (moved.kind === 'stopped') return false
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
      if (stop.aborted) return false
    }
  } finally {
    await contents.close()
  }
  shown.set({ phase: 'finished' })
  await removeFolder(folder)
  await cache.trim()
  return true

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
    for (let at = pauses.now(record); at.by !== undefined && !ending.aborted; at = pauses.now(record))
      await orders.comes(at.by === 'user' ? AbortSignal.any([ending, AbortSignal.timeout(at.leftMs)]) : ending)
    if (stop.aborted) return
    shown.set({ phase: 'running' })
    await host.commit(current, [{ kind: 'resumed', at: now() }])
  }

  /** Live: a site that moves to offline mode in between counts at once. */
  function allowsDebugger(): boolean {
    return mayDebug(sequence, parts.catalogue.mode())
  }

  /** W7 */
  async function debug(): Promise<void> {
    const order = nextOrder(orders.debug(), runId, current)
    if (order === undefined) {
      shown.set({ phase: 'paused' })
      await orders.comes(ending)
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
    await pause(timeoutSeconds * 1000)
    if (ending.aborted) return
    const asked = await platform.restart()
    if (!asked.ok) log.error('the machine does not restart', { runId, problem: asked.problem })
    await pause(asked.ok ? RESTART_MS : RESTART_REFUSED_MS)
  }

  /** H2: what is only for people must not end a run. */
  function attempt(what: string, work: () => void): void {
    try {
      work()
    } catch (error) {
      log.warn(`${what} could not be written`, { error })
    }
  }

  async function pause(ms: number): Promise<void> {
    await delay(ms, undefined, { signal: ending }).catch(() => {})
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
