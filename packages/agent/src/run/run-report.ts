/** The closing report of a run, from its journal and its counts. */
import type { InstructionTable, JournalEntry, RunResult } from '@sluice/engine'
import type { FinishedStep, PackageId, RunReport } from '@sluice/protocol'
import { type Bytes, sourcesOf } from '../download/tally.ts'
import type { RunRecord } from './run-store.ts'

/** The steps that the journal has the end of, skipped ones too; groups are none. */
export function finishedSteps(entries: readonly JournalEntry[], table: InstructionTable): FinishedStep[] {
  return entries.flatMap((entry): FinishedStep[] => {
    if (entry.kind === 'stepFinished') {
      const { name, outcome, ms, problem } = entry
      return [{ name, outcome, ms: Math.round(ms), ...(problem === undefined ? {} : { problem }) }]
    }
    if (entry.kind !== 'skipped' || table.instructions[entry.instruction]?.kind !== 'step') return []
    return [{ name: entry.name, outcome: 'skipped', ms: 0 }]
  })
}

export function buildReport(options: {
  record: RunRecord
  result: RunResult
  journal: readonly JournalEntry[]
  table: InstructionTable
  restarts: number
  bytes: (packageId: PackageId) => Bytes
  osAfter: string
  /** Milliseconds since 1970. */
  now: number
  logPath: string
}): RunReport {
  const { record, result, journal, table, restarts, bytes, osAfter, now, logPath } = options
  const packages = record.accepted.deployment.packages.map((pack) => ({ pack, counted: bytes(pack.id) }))
  const sum = (field: keyof Bytes): number => packages.reduce((total, { counted }) => total + counted[field], 0)
  const totalMs = Math.max(0, now - record.startedAt)
  return {
    result: result.kind,
    ...(result.kind === 'failure' ? { failedStep: result.step, problem: result.problem } : {}),
    osBefore: record.osBefore,
    osAfter,
    // A run that ended before its first step never started one.
    firstStepMs: Math.round(record.firstStepMs ?? totalMs),
    totalMs,
    referencedBytes: packages.reduce((total, { pack }) => total + pack.storedBytes, 0),
    neededBytes: sum('neededBytes'),
    fetchedBytes: sum('fetchedBytes'),
    metadataBytes: sum('metadataBytes'),
    sources: sourcesOf({
      ...{ neededBytes: 0, fetchedBytes: sum('fetchedBytes'), metadataBytes: sum('metadataBytes') },
      ...{ cloudBytes: sum('cloudBytes'), cacheBytes: sum('cacheBytes'), seedBytes: sum('seedBytes') },
    }),
    packages: packages.map(({ pack, counted }) => ({
      id: pack.id,
      name: pack.name,
      referencedBytes: pack.storedBytes,
      neededBytes: counted.neededBytes,
      fetchedBytes: counted.fetchedBytes,
      sources: sourcesOf(counted),
    })),
    steps: finishedSteps(journal, table),
    restarts,
    logPath,
  }
}
