/**
 * The engine's `Host` on a real device: state in SQLite, steps in detached runners, content over the
 * network. One host carries one run, from its start or from wherever an earlier process left it.
 *
 *   H1. State, journal, the status messages that follow from them and, at the end, the report are one
 *       transaction: neither a message without its reason nor a reason without its message.
 *   H2. What is only for people (log, progress) comes after the commit and may be lost.
 */
import { stat } from 'node:fs/promises'
import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { ActionOutcome, Host, InstructionTable, JournalEntry, RunState } from '@sluice/engine'
import { debugState, surelyNeeded } from '@sluice/engine'
import { failed, type PackageId, type Problem, problem, type StatusEvent } from '@sluice/protocol'
import type { Cache } from '../cache/cache.ts'
import { attitudeTo } from '../download/patience.ts'
import { describeSource } from '../download/sources.ts'
import { sourcesOf } from '../download/tally.ts'
import type { Platform } from '../platform/platform.ts'
import type { Outbox } from '../report/outbox.ts'
import type { State } from '../state/state.ts'
import type { RunContents } from './acquire.ts'
import type { TraceLog } from './cmtrace-log.ts'
import { logLine, statusEvent } from './journal-words.ts'
import { placeContent } from './place-content.ts'
import { probeScript } from './probe-script.ts'
import type { Progress } from './progress.ts'
import { buildReport, finishedSteps } from './run-report.ts'
import type { RunRecord, RunStore } from './run-store.ts'
import type { Runners } from './runners.ts'

export interface HostOptions {
  record: RunRecord
  table: InstructionTable
  state: State
  store: RunStore
  outbox: Pick<Outbox, 'enqueue'>
  cache: Pick<Cache, 'release'>
  platform: Platform
  contents: RunContents
  runners: Runners
  progress: Progress
  log: TraceLog
  logPath: string
  osRoot: string
  /** For what attempts of this run share. */
  workFolder: string
  /** Where runners ask for secrets. */
  secretDesk: string
  /** Milliseconds since 1970. */
  now: () => number
  /** When *Install* was called, on the rising clock of this process; undefined after a restart of the agent. */
  installedAtMs: number | undefined
  /** The end of the log, where the next answer of the debugger shall hold it. */
  debugLog?: () => string | undefined
  /** Called after each commit. */
  onCommit: (state: RunState) => void
}

const PERCENT_MS = 500
/** Sources of a content that one status message names. */
const MOST_TOLD = 20

type ContentReady = Extract<StatusEvent, { kind: 'contentReady' }>
type ContentSources = Required<Pick<ContentReady, 'sources' | 'passedOver'>>
/** Contents that are fetched while a step runs, at most. */
const LOOK_AHEAD_CONTENTS = 3

export function createHost(options: HostOptions): Host {
  const { record, table, state, store, outbox, platform, contents, runners, progress, log, now } = options
  const { runId, accepted } = record
  const run = { runId, deploymentId: accepted.deployment.id }
  let current = record.state
  let held = false

  const reportOf = async (next: RunState, entries: readonly JournalEntry[]) => {
    if (next.phase.kind !== 'finished') return undefined
    return buildReport({
      record,
      result: next.phase.result,
      journal: [...store.journal(runId), ...entries],
      table,
      restarts: next.restarts,
      bytes: contents.bytes,
      osAfter: await platform.osName(),
      now: now(),
      logPath: options.logPath,
    })
  }

  const host: Host = {
    bootId: () => platform.bootId,
    now,
    monotonicMs: () => performance.now(),
    async commit(next, entries) {
      // What it counts, and what it holds, is final now.
      if (next.phase.kind === 'finished') await contents.close()
      const report = await reportOf(next, entries)
      // H1
      state.transaction(() => {
        store.commit(runId, next, entries, record.firstStepMs)
        for (const entry of entries) {
          const event = statusEvent(entry, run, table)
          if (event !== undefined) outbox.enqueue(event)
        }
        if (entries.some(isOfDebugger)) outbox.enqueue({ kind: 'debugState', ...run, state: shownState(next) })
        if (report === undefined) return
        store.finish(runId, report)
        outbox.enqueue({ kind: 'runFinished', ...run, report })
        options.cache.release(runId)
      })
      current = next
      // H2
      options.onCommit(next)
      progress.stepsFinished(finishedSteps(entries, table))
      log.write(...entries.map((entry) => logLine(entry, table)))
    },
    facts: () => platform.facts(),
    machine: () => platform.machine(),
    software: (query) => platform.software(query),
    registry: (key, value) => platform.registry(key, value),
    probeScript: (script, timeoutMs) => probeScript(script, timeoutMs, options.workFolder),
    wait: async (ms, signal) => delay(ms, undefined, { signal }),
    place: (folder, path) => placeContent(folder, path),
    factRows: () => platform.factRows(),
    async file(path) {
      const facts = await stat(path).catch(() => undefined)
      if (facts === undefined || !(facts.isFile() || facts.isDirectory())) return undefined
      return { kind: facts.isFile() ? 'file' : 'folder', modifiedMs: Math.floor(facts.mtimeMs), version: undefined }
    },
    async acquire(packageId, retry, stop, files, leftMs) {
      const limit = leftMs === undefined ? undefined : AbortSignal.timeout(Math.max(1, Math.round(leftMs)))
      const signal = limit === undefined ? stop : AbortSignal.any([stop, limit])
      const say = (text: string, level: 'info' | 'warning' | 'error' = 'info') =>
        log.write({ text, component: 'DownloadContent', level })
      say(`Resolving content for ${packageId}${files === undefined ? '' : `: ${files.join(', ')}`}`)
      let waits = false
      const told: ContentSources = { sources: [], passedOver: [] }
      try {
        const content = await contents.acquire({ packageId, files, retry }, signal, {
          onProgress: (doneBytes, totalBytes) =>
            progress.download({ packageName: nameOf(packageId), doneBytes, totalBytes }),
          onReceived: (bytes) => progress.received(bytes),
          onWaiting(reason) {
            progress.waiting(reason)
            tellHeld(packageId, reason)
            if (reason !== undefined && !waits) say(`Waiting: ${reason.code}: ${reason.detail}`, 'warning')
            if (reason === undefined && waits) say('Going on.')
            waits = reason !== undefined
          },
          onSource(news) {
            say(describeSource(news), news.kind === 'passedOver' ? 'warning' : 'info')
            if (news.kind === 'passedOver') told.passedOver.push({ name: news.name, problem: news.problem })
            else if (news.kind !== 'moved') told.sources.push(news.kind === 'cache' ? 'cache' : news.source.name)
          },
        })
        if (content.ok) {
          const { neededBytes, fetchedBytes, folder } = content.value
          const { cacheBytes, seedBytes } = contents.bytes(packageId)
          if (fetchedBytes > 0) say('Download done setting progress bar to 100')
          say(
            `Content of ${packageId} is in ${folder}: ${fetchedBytes} bytes fetched of ${neededBytes} needed; ${cacheBytes} were in the cache, ${seedBytes} came from other contents and files of this device.`,
          )
          tellContent(packageId, neededBytes, fetchedBytes, told)
        } else {
          const { code, detail } = content.problem
          // The original's words, with its slip: people search for them.
          if (code === 'CONTENT_CORRUPT') say('Hash could not be matched for the downloded content', 'error')
          say(`Content of ${packageId}: ${code}: ${detail}`, 'error')
          state.transaction(() => note(packageId, { neededBytes: 0, fetchedBytes: 0 }, told, content.problem))
        }
        return content
      } catch (error) {
        if (limit?.aborted !== true || stop.aborted) throw error
        return failed(problem('RUN_TIME_EXCEEDED', `Package ${packageId} was still being fetched.`))
      } finally {
        progress.waiting(undefined)
        progress.download(undefined)
      }
    },
    async start(attempt, action, leftMs) {
      const timeoutMs = Math.max(1_000, Math.round(Math.min(action.timeoutMs ?? Infinity, leftMs ?? Infinity)))
      if (accepted.deployment.settings.lookAhead)
        contents.expect(surelyNeeded(table, current.pointer, LOOK_AHEAD_CONTENTS))
      runners.start(attempt, {
        v: 1,
        action: Number.isFinite(timeoutMs) ? { ...action, timeoutMs } : action,
        osRoot: options.osRoot,
        logPath: options.logPath,
        workFolder: options.workFolder,
        environment: { SLUICE_RUN: runId, SLUICE_OS_ROOT: options.osRoot },
        variables: current.variables,
        masked: hiddenValues(current),
        secrets: { desk: options.secretDesk, attempt },
      })
    },
    async outcome(attempt, signal) {
      const ended = new AbortController()
      void showPercent(attempt, ended.signal)
      try {
        const outcome: ActionOutcome = await runners.outcome(attempt, signal)
        return outcome
      } finally {
        ended.abort()
      }
    },
    progress(event) {
      if (event.kind !== 'stepStarted') return
      record.firstStepMs ??=
        options.installedAtMs === undefined ? now() - record.startedAt : performance.now() - options.installedAtMs
      progress.set({ phase: 'running', step: event.step, stepCount: event.stepCount, stepName: event.name })
    },
  }
  return host

  function shownState(next: RunState) {
    const log = options.debugLog?.()
    return { ...debugState(table, next), ...(log === undefined ? {} : { log }) }
  }

  function nameOf(packageId: PackageId): string {
    return accepted.deployment.packages.find((pack) => pack.id === packageId)?.name ?? packageId
  }

  /** Once each time that the line is closed to content. */
  function tellHeld(packageId: PackageId, reason: Problem | undefined): void {
    const isHeld = reason !== undefined && attitudeTo(reason) === 'hold'
    if (isHeld && !held) outbox.enqueue({ kind: 'contentHeld', ...run, packageId, problem: reason })
    held = isHeld
  }

  function tellContent(packageId: PackageId, neededBytes: number, fetchedBytes: number, told: ContentSources): void {
    const contentId = accepted.deployment.packages.find((pack) => pack.id === packageId)?.contentId
    if (contentId === undefined) return
    const bytesFrom = sourcesOf(contents.bytes(packageId))
    state.transaction(() => {
      note(packageId, { neededBytes, fetchedBytes }, told)
      if (store.contentTold(runId, packageId))
        outbox.enqueue({
          kind: 'contentReady',
          ...{ ...run, packageId, contentId, fetchedBytes, neededBytes, bytesFrom, ...shortened(told) },
        })
    })
  }

  /** For the trace of decisions. */
  function note(
    packageId: PackageId,
    bytes: { neededBytes: number; fetchedBytes: number },
    told: ContentSources,
    why?: Problem,
  ): void {
    store.note(runId, {
      ...{ kind: 'content', at: now(), instruction: current.pointer, packageId, ...bytes, ...shortened(told) },
      ...(why === undefined ? {} : { problem: why }),
    })
  }

  async function showPercent(attempt: string, ended: AbortSignal): Promise<void> {
    let shown: number | undefined
    while (!ended.aborted) {
      const percent = runners.percent(attempt)
      if (percent !== undefined && percent !== shown) progress.set({ percent })
      shown = percent
      await delay(PERCENT_MS, undefined, { signal: ended }).catch(() => {})
    }
  }
}

/** A long line breaks now and then: the last words are enough. */
const shortened = ({ sources, passedOver }: ContentSources): ContentSources => ({
  sources: sources.slice(-MOST_TOLD),
  passedOver: passedOver.slice(-MOST_TOLD),
})

const isOfDebugger = ({ kind }: JournalEntry): boolean => kind === 'debugOrder' || kind === 'debugStopped'

/** Values that no log may show. */
export function hiddenValues(state: RunState): string[] {
  return Object.values(state.variables)
    .filter(({ hidden }) => hidden)
    .map(({ value }) => value)
}
