/**
 * The trace of a run's decisions, made of its journal: which steps ran, which did not and why, each condition with
 * what was found, how exit codes were judged, where contents came from. For people, and as data.
 */
import { type InstructionTable, type JournalEntry, MASK } from '@sluice/engine'
import type { RunId } from '@sluice/protocol'
import { mask } from './cmtrace-log.ts'
import { skipReasons } from './journal-words.ts'

export interface RunTrace {
  v: 1
  runId: RunId
  sequence: string
  /** Milliseconds since 1970. */
  startedAt: number
  /** Earlier entries that are not here. */
  leftOut: number
  /** Of the instruction table; `depth` counts the groups around. */
  entries: (JournalEntry & { depth: number })[]
}

/** A run of 10,000 instructions fits; one that goes round in circles is told from its end. */
export const MAX_TRACE_ENTRIES = 50_000

/**
 * @param run.journal oldest first
 * @param run.hidden values that nobody may see, wherever they stand
 */
export function traceOf(run: {
  runId: RunId
  sequence: string
  startedAt: number
  journal: readonly JournalEntry[]
  table: Pick<InstructionTable, 'instructions'>
  hidden: readonly string[]
}): RunTrace {
  const { runId, sequence, startedAt, journal } = run
  const shown = journal.slice(-MAX_TRACE_ENTRIES)
  const depths = depthsOf(run.table)
  let depth = 0
  const entries = shown.map((entry) => {
    if ('instruction' in entry) depth = depths[entry.instruction] ?? depth
    return { ...(masked(entry, run.hidden) as JournalEntry), depth }
  })
  return { v: 1, runId, sequence, startedAt, leftOut: journal.length - shown.length, entries }
}

/** Words of the engine: no value of a variable ever stands there, though one may read the same. */
const WORDS = new Set(['kind', 'why', 'outcome'])

function masked(part: unknown, hidden: readonly string[]): unknown {
  if (typeof part === 'string') return mask(part, hidden)
  if (Array.isArray(part)) return part.map((one) => masked(one, hidden))
  if (typeof part !== 'object' || part === null) return part
  return Object.fromEntries(
    Object.entries(part).map(([name, value]) => [name, WORDS.has(name) ? value : masked(value, hidden)]),
  )
}

function depthsOf({ instructions }: Pick<InstructionTable, 'instructions'>): number[] {
  let depth = 0
  return instructions.map(({ kind }) => {
    if (kind === 'groupEnd') depth--
    return kind === 'groupStart' ? depth++ : depth
  })
}

/** One line for each entry, in local time. */
export function traceLines({ runId, sequence, startedAt, leftOut, entries }: RunTrace): string[] {
  const day = new Date(startedAt)
  return [
    `Run ${runId} of "${sequence}", begun ${dateOf(day)} ${timeOf(startedAt)}`,
    ...(leftOut === 0 ? [] : [`(${leftOut} earlier entries are left out)`]),
    ...entries.flatMap((entry) => {
      const indent = '  '.repeat(entry.depth + (isOfStep(entry) ? 1 : 0))
      return entryLines(entry).map((line) => `${timeOf(entry.at)}  ${indent}${printable(line)}`)
    }),
  ]
}

/** Stands under the name of its step or group. */
const isOfStep = ({ kind }: JournalEntry): boolean =>
  kind === 'content' ||
  kind === 'stepFinished' ||
  kind === 'stepRetried' ||
  kind === 'stepRepeated' ||
  kind === 'stepNote' ||
  kind === 'contentFailed' ||
  kind === 'variableSet'

function entryLines(entry: JournalEntry): string[] {
  switch (entry.kind) {
    case 'runStarted':
      return ['The run begins.']
    case 'groupEntered':
      return [`[${entry.name}] is entered`]
    case 'groupLeft':
      return [`[${entry.name}] ${entry.failed ? 'failed' : 'is done'}`]
    case 'skipped':
      return [`${entry.name}: skipped, ${skipReasons[entry.why]}`]
    case 'decision':
      return [`${entry.name}: condition is ${entry.result}: ${entry.trace}`]
    case 'stepStarted':
      return [`${entry.name} (${entry.stepType})`]
    case 'stepRepeated':
      return [`is run again (${entry.why}), attempt ${entry.attempt}`]
    case 'stepRetried':
      return [`failed, retry ${entry.retry} in ${entry.delayMs / 1000} s: ${reason(entry.problem)}`]
    case 'stepNote':
      return [entry.text]
    case 'cleanupStarted':
      return [`The steps for the end (finally) follow: ${entry.result.kind}`]
    case 'paused':
      return ['Paused']
    case 'resumed':
      return ['Goes on']
    case 'debugStopped':
      return [`Debugger: stands still at ${entry.name} (${entry.why})`]
    case 'debugOrder':
      return [`Debugger: ${entry.text}${entry.refused === undefined ? '' : `, refused: ${reason(entry.refused)}`}`]
    case 'contentFailed':
      return [`goes on without package ${entry.packageId}: ${reason(entry.problem)}`]
    case 'content':
      return contentLines(entry)
    case 'stepFinished': {
      const code = entry.exitCode === undefined ? '' : `exit code ${entry.exitCode}: `
      const why = entry.problem === undefined ? '' : `: ${reason(entry.problem)}`
      return [`${code}${outcomes[entry.outcome]} after ${(entry.ms / 1000).toFixed(1)} s${why}`]
    }
    case 'variableSet':
      return [entry.value === '' ? `${entry.name} is removed` : `${entry.name} = ${entry.hidden ? MASK : entry.value}`]
    case 'restartRequested':
      return [`A restart is asked for. ${entry.message}`.trim()]
    case 'restarted':
      return [`The computer was restarted (boot ${entry.bootId})`]
    case 'runFinished':
      return [
        entry.result.kind === 'failure'
          ? `The run failed at ${entry.result.step}: ${reason(entry.result.problem)}`
          : `The run ended: ${entry.result.kind}`,
      ]
  }
}

function contentLines(entry: Extract<JournalEntry, { kind: 'content' }>): string[] {
  const { packageId, fetchedBytes, neededBytes, sources, passedOver, problem } = entry
  const from = sources.length === 0 ? '' : ` from ${sources.join(', then ')}`
  return [
    problem === undefined
      ? `content ${packageId}${from}: ${fetchedBytes} bytes fetched of ${neededBytes} needed`
      : `content ${packageId} could not be had: ${reason(problem)}`,
    ...passedOver.map((one) => `content ${packageId}: ${one.name} passed over: ${reason(one.problem)}`),
  ]
}

const outcomes = {
  succeeded: 'succeeded',
  failed: 'failed',
  failedContinued: 'failed, and the sequence goes on (continue on error)',
  skipped: 'skipped',
  unknown: 'nobody saw how it ended',
} as const

const reason = ({ code, detail }: { code: string; detail: string }): string => `${code}: ${detail}`
const two = (n: number): string => String(n).padStart(2, '0')
const dateOf = (at: Date): string => `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
const timeOf = (ms: number): string => {
  const at = new Date(ms)
  return `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}
/** One line, and nothing that drives a terminal. */
const printable = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll(/\p{Cc}/gu, '?')
