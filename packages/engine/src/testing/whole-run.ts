/** A whole run on a manual host: restarts when asked to, and comes back after every crash. */
import {
  DeploymentId,
  DeploymentSettings,
  SEQUENCE_FORMAT,
  Sequence,
  SequenceId,
  type SequenceNode,
} from '@sluice/protocol'
import type { z } from 'zod'
import { flatten, type InstructionTable } from '../run/flatten.ts'
import type { AdvanceOptions } from '../run/live-run.ts'
import { advance } from '../run/run.ts'
import type { JournalEntry, RunResult, RunState } from '../run/run-state.ts'
import { startRun } from '../run/start.ts'
import { lookUp } from '../run/variables.ts'
import { Crash, ManualHost, type ManualHostOptions } from './manual-host.ts'

/** A sequence from its steps alone. */
export const sequenceOf = (steps: SequenceNode[], more: Partial<z.input<typeof Sequence>> = {}): Sequence =>
  Sequence.parse({ format: SEQUENCE_FORMAT, name: 'Test', steps, ...more })

export interface WholeRun {
  result: RunResult
  state: RunState
  host: ManualHost
  table: InstructionTable
  /** How often the caller was told to restart. */
  restarts: number
  crashes: number
}

export interface WholeRunOptions extends ManualHostOptions {
  inputs?: Record<string, string>
  settings?: Partial<z.input<typeof DeploymentSettings>>
  /** Changes what a call of `advance` gets. */
  advance?: (options: AdvanceOptions) => AdvanceOptions
}

export async function firstState(
  sequence: Sequence,
  host: ManualHost,
  options: WholeRunOptions = {},
): Promise<{ state: RunState; entries: JournalEntry[]; table: InstructionTable }> {
  const table = flatten(sequence)
  const started = startRun({
    sequence,
    table,
    sequenceId: SequenceId.parse('seq_0000000000'),
    deploymentId: DeploymentId.parse('dep_0000000000'),
    settings: DeploymentSettings.parse({ inputs: options.inputs ?? {}, ...options.settings }),
    undeclaredInputs: 'allow',
    startedBy: 'user',
    facts: await host.facts(),
    logPath: '/log',
    at: 0,
  })
  if (!started.ok) throw new Error(started.problem.detail)
  return { ...started.value, table }
}

/** Carries a sequence to its end, whatever happens in between. */
export async function wholeRun(sequence: Sequence, options: WholeRunOptions = {}): Promise<WholeRun> {
  const host = new ManualHost(options)
  const first = await firstState(sequence, host, options)
  host.state = first.state
  host.journal.push(...first.entries)
  let restarts = 0
  let crashes = 0
  const plain: AdvanceOptions = { table: first.table, state: first.state, host, stop: new AbortController().signal }
  for (let calls = 0; calls < 1000; calls++) {
    const call = options.advance?.({ ...plain }) ?? plain
    try {
      const end = await advance({ ...call, state: host.state })
      if (end.kind === 'finished')
        return { result: end.result, state: end.state, host, table: first.table, restarts, crashes }
      if (end.kind === 'restart') {
        restarts++
        host.reboot()
      }
    } catch (error) {
      if (!(error instanceof Crash)) throw error
      crashes++
    }
  }
  throw new Error('the run does not end')
}

/** Names of the steps that began, in order. */
export const begun = (journal: readonly JournalEntry[]): string[] =>
  journal.flatMap((entry) => (entry.kind === 'stepStarted' ? [entry.name] : []))

export const variableOf = (state: RunState, name: string): string | undefined => lookUp(state.variables, name)?.value
