/** The device of a preview: every command succeeds and prints nothing, all content can be had. */
import { type DeviceFacts, ok, type PackageId, type Result } from '@sluice/protocol'
import type { AcquiredContent, ActionOutcome, FileFacts, Host, MachineFacts, ProgressEvent } from '../host.ts'
import type { JournalEntry, RunState } from '../run/run-state.ts'
import type { Variables } from '../run/variables.ts'
import { deviceRows, type FactRows } from '../wql/index.ts'
import type { PreviewFacts } from './preview-facts.ts'

/** A file system without an end: what the facts do not say is no reason to fail. */
const ENOUGH_BYTES = 2 ** 50

/** What a step asked for. */
export interface Acquired {
  instruction: number
  packageId: PackageId
  files: readonly string[] | undefined
}

export class PreviewHost implements Host {
  readonly journal: JournalEntry[] = []
  readonly acquired: Acquired[] = []
  /** Variables at the end of each step that failed. */
  readonly atFailure = new Map<number, Variables>()
  readonly assumptions: Set<string>
  boots = 0
  #instruction = 0
  readonly #facts: PreviewFacts

  constructor(facts: PreviewFacts, warnings: readonly string[]) {
    this.#facts = facts
    this.assumptions = new Set(warnings.map((warning) => warning.replace(/\.$/, '')))
  }

  bootId = (): string => `boot-${this.boots}`
  now = (): number => 0
  monotonicMs = (): number => 0

  async commit({ variables }: RunState, entries: JournalEntry[]): Promise<void> {
    this.journal.push(...entries)
    for (const entry of entries)
      if (entry.kind === 'stepFinished' && entry.problem !== undefined) this.atFailure.set(entry.instruction, variables)
  }

  async facts(): Promise<DeviceFacts & { freeDiskBytes: number }> {
    if (this.#facts.freeDiskBytes === undefined)
      this.assumptions.add('the free space of the disk is not in the facts; it was taken as enough')
    return { ...this.#facts, freeDiskBytes: this.#facts.freeDiskBytes ?? ENOUGH_BYTES }
  }

  async factRows(): Promise<FactRows> {
    const { freeDiskBytes, wmi, files: _, machine: __, ...facts } = this.#facts
    return deviceRows({ ...facts, ...(freeDiskBytes === undefined ? {} : { freeDiskBytes }) }, wmi)
  }

  async machine(): Promise<MachineFacts> {
    const { machine = {} } = this.#facts
    const known = ['agentVersion', 'onAcPower', 'network', 'uefi', 'tpm'] as const
    if (known.some((name) => machine[name] === undefined))
      this.assumptions.add(
        'what the facts do not say of power, network, firmware and TPM was taken as the step wants it',
      )
    return {
      ...{ agentVersion: '99999', onAcPower: true, network: 'wired', uefi: true, tpm: 'activated' },
      ...{ macAddresses: [], ipAddresses: [], defaultGateways: [] },
      ...machine,
    } as MachineFacts
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

  async acquire(
    packageId: PackageId,
    _retry: unknown,
    _signal: AbortSignal,
    files: readonly string[] | undefined,
  ): Promise<Result<AcquiredContent>> {
    this.acquired.push({ instruction: this.#instruction, packageId, files })
    return ok({ folder: `/content/${packageId}`, neededBytes: 0, fetchedBytes: 0 })
  }

  async start(): Promise<void> {
    this.assumptions.add('every command and upgrade succeeds, prints nothing and sets no variable')
  }

  async outcome(): Promise<ActionOutcome> {
    return { kind: 'exited', exitCode: 0, output: '' }
  }

  progress(event: ProgressEvent): void {
    if (event.kind === 'stepStarted') this.#instruction = event.instruction
  }
}
