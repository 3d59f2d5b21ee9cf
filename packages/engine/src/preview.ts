/**
 * What a sequence would do on a device of which the facts are known: the real engine, on a host where
 * every command succeeds and prints nothing, and all content can be had. So conditions, variables and
 * groups are decided as on the device; what only happening could tell is listed as an assumption.
 */
import {
  DeploymentId,
  DeploymentSettings,
  DeviceFacts,
  ok,
  type PackageId,
  type Result,
  type Sequence,
  SequenceId,
  type StepType,
} from '@sluice/protocol'
import { z } from 'zod'
import { flatten, type InstructionTable } from './flatten.ts'
import type { ActionOutcome, FileFacts, Host, MachineFacts } from './host.ts'
import { advance, MAX_TRANSITIONS } from './run.ts'
import type { JournalEntry, RunResult } from './run-state.ts'
import { startRun } from './start.ts'
import { deviceRows, type FactRows } from './wql/index.ts'

const Row = z.record(z.string().max(256), z.union([z.string().max(4_000), z.number(), z.boolean(), z.null()]))

/** A file of facts: those of the device, and what a preview may know besides. */
export const PreviewFacts = DeviceFacts.extend({
  freeDiskBytes: z.int().nonnegative().optional(),
  /** Rows of WMI's classes, beside what follows from the facts. */
  wmi: z.record(z.string().max(256), z.array(Row).max(1_000)).default({}),
  /** What is there, by path; of other paths nothing is known. `null`: nothing is there. */
  files: z
    .record(
      z.string().max(4_000),
      z
        .strictObject({
          kind: z.enum(['file', 'folder']),
          modified: z.iso.datetime().optional(),
          version: z.string().max(64).optional(),
        })
        .nullable(),
    )
    .default({}),
})
export type PreviewFacts = z.infer<typeof PreviewFacts>

export interface PreviewedStep {
  name: string
  type: StepType
  runs: boolean
  /** Why it does not run: its own condition or that of a group around it, as the trace says it. */
  why?: string
}

export interface Preview {
  result: RunResult
  /** In the order of the sequence. */
  steps: PreviewedStep[]
  /** What would be fetched, in this order. */
  packages: PackageId[]
  restarts: number
  /** Sentences without their full stops. */
  assumptions: string[]
}

/** @returns what `startRun` refuses, else the preview */
export async function previewSequence(
  sequence: Sequence,
  facts: PreviewFacts,
  inputs: Record<string, string>,
): Promise<Result<Preview>> {
  const table = flatten(sequence)
  const started = startRun({
    ...{ sequence, table, startedBy: 'user', facts, logPath: '/var/log', at: 0, undeclaredInputs: 'allow' },
    sequenceId: SequenceId.parse('seq_0000000000'),
    deploymentId: DeploymentId.parse('dep_0000000000'),
    settings: DeploymentSettings.parse({ inputs }),
  })
  if (!started.ok) return started
  const host = new PreviewHost(facts, started.value.warnings)
  let { state } = started.value
  let restarts = 0
  // Every call of `advance` ends, and between two of them is a restart that a step asked for.
  for (let calls = 0; calls <= table.instructions.length * MAX_TRANSITIONS; calls++) {
    const end = await advance({ table, state, host, stop: new AbortController().signal })
    if (end.kind === 'finished') return ok(told(table, host, end.result, restarts))
    state = end.state
    restarts++
    host.boots++
  }
  throw new Error('the preview does not end')
}

function told(table: InstructionTable, host: PreviewHost, result: RunResult, restarts: number): Preview {
  const whys = reasons(host.journal)
  const steps = table.instructions.flatMap((instruction, index): PreviewedStep[] => {
    if (instruction.kind !== 'step') return []
    const { name, type } = instruction.step
    const why = whys.get(index)
    return [why === undefined ? { name, type, runs: true } : { name, type, runs: false, why }]
  })
  return { result, steps, packages: [...host.packages], restarts, assumptions: [...host.assumptions] }
}

/** Why steps do not run, by instruction. What decided stands in the journal right before what it skipped. */
function reasons(journal: readonly JournalEntry[]): Map<number, string> {
  const whys = new Map<number, string>()
  let decision: Extract<JournalEntry, { kind: 'decision' }> | undefined
  for (const entry of journal) {
    if (entry.kind === 'decision') decision = entry
    if (entry.kind !== 'skipped') continue
    const { instruction, why } = entry
    const of = decision === undefined || decision.instruction === instruction ? '' : `group ${decision.name}: `
    if (why === 'condition') whys.set(instruction, `${of}${decision?.trace ?? ''}`)
    else whys.set(instruction, why === 'disabled' ? 'disabled' : 'a step before it failed')
  }
  return whys
}

class PreviewHost implements Host {
  readonly journal: JournalEntry[] = []
  readonly packages = new Set<PackageId>()
  readonly assumptions: Set<string>
  boots = 0
  readonly #facts: PreviewFacts

  constructor(facts: PreviewFacts, warnings: readonly string[]) {
    this.#facts = facts
    this.assumptions = new Set(warnings.map((warning) => warning.replace(/\.$/, '')))
  }

  bootId = (): string => `boot-${this.boots}`
  now = (): number => 0
  monotonicMs = (): number => 0

  async commit(_state: unknown, entries: JournalEntry[]): Promise<void> {
    this.journal.push(...entries)
  }

  async facts(): Promise<DeviceFacts & { freeDiskBytes: number }> {
    if (this.#facts.freeDiskBytes === undefined)
      this.assumptions.add('the free space of the disk is not in the facts; 0 was taken')
    return { ...this.#facts, freeDiskBytes: this.#facts.freeDiskBytes ?? 0 }
  }

  async factRows(): Promise<FactRows> {
    const { freeDiskBytes, wmi, ...facts } = this.#facts
    return deviceRows({ ...facts, ...(freeDiskBytes === undefined ? {} : { freeDiskBytes }) }, wmi)
  }

  async machine(): Promise<MachineFacts> {
    this.assumptions.add('nothing is known of the network, the power supply and the firmware beyond the facts')
    return { agentVersion: '', macAddresses: [], ipAddresses: [], defaultGateways: [] }
  }

  async software({ name }: { name: string }): Promise<string[]> {
    this.assumptions.add(`whether ${name} is installed is not known; it was taken as not installed`)
    return []
  }

  async registry(key: string): Promise<undefined> {
    this.assumptions.add(`nothing is known of the registry key ${key}; it was taken as not there`)
  }

  async probeScript(): Promise<{ exitCode: number }> {
    this.assumptions.add('scripts of conditions are not run; they were taken as met')
    return { exitCode: 0 }
  }

  async wait(): Promise<void> {}

  async place(): Promise<Result<void>> {
    return ok(undefined)
  }

  async file(path: string): Promise<FileFacts | undefined> {
    const told = Object.hasOwn(this.#facts.files, path) ? this.#facts.files[path] : undefined
    if (told === undefined) this.assumptions.add(`nothing is known of ${path}; it was taken as not there`)
    if (told === undefined || told === null) return undefined
    return { kind: told.kind, modifiedMs: Date.parse(told.modified ?? '1970-01-01T00:00:00Z'), version: told.version }
  }

  async acquire(packageId: PackageId): Promise<Result<{ folder: string; neededBytes: number; fetchedBytes: number }>> {
    this.packages.add(packageId)
    return ok({ folder: `/content/${packageId}`, neededBytes: 0, fetchedBytes: 0 })
  }

  async start(): Promise<void> {
    this.assumptions.add('every command and upgrade succeeds, prints nothing and sets no variable')
  }

  async outcome(): Promise<ActionOutcome> {
    return { kind: 'exited', exitCode: 0, output: '' }
  }

  progress(): void {}
}
