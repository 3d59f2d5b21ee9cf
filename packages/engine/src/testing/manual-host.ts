/**
 * A host that is turned by hand: the test says how attempts end, what content there is, and where the
 * agent or the machine dies. What is durable (the last commit, the journal, what really happened to
 * the machine) outlives a crash; everything else does not.
 *
 * Use: advance a run against `host`; when it throws `Crash`, go on with `host.state`.
 */
import { type DeviceFacts, failed, ok, type PackageId, type Problem, problem, type Result } from '@sluice/protocol'
import type {
  AcquiredContent,
  Action,
  ActionOutcome,
  FileFacts,
  Host,
  MachineFacts,
  ProgressEvent,
  RegistryValue,
  SoftwareQuery,
} from '../host.ts'
import type { JournalEntry, RunState } from '../run/run-state.ts'
import { deviceRows, type FactRows, type RowsByClass } from '../wql/index.ts'

/** The agent died here. */
export class Crash extends Error {}

/** `agent`: the runner lives on. `machine`: it dies too, and the boot is another one afterwards. */
export type CrashKind = 'agent' | 'machine'

export interface CrashPlan {
  /** Counted over commits and starts, from 1. */
  at: number
  /** `before`: it does not become durable or start; `after`: it does, but nobody hears of it. */
  when: 'before' | 'after'
  kind: CrashKind
}

export interface ManualHostOptions {
  /** How an action ends; without it, with exit code 0. */
  outcome?: (action: Action, execution: number) => ActionOutcome
  /** Problem of a package that cannot be had. */
  contentProblem?: (packageId: PackageId) => Problem | undefined
  files?: Record<string, FileFacts>
  facts?: Partial<DeviceFacts & { freeDiskBytes: number }>
  /** Rows besides those that follow from the facts. */
  rows?: RowsByClass
  crashes?: CrashPlan[]
  machine?: Partial<MachineFacts>
  /** Installed versions, by name of the product. */
  software?: Record<string, string[]>
  /** By `key` or `key\\value`. */
  registry?: Record<string, RegistryValue | 'key'>
  /** How a script of a condition ends. */
  probe?: (text: string) => { exitCode: number } | { why: string }
}

interface Attempt {
  action: Action
  /** Undefined: a machine crash took it in the middle. */
  outcome: ActionOutcome | undefined
}

export class ManualHost implements Host {
  /** Last committed. */
  state: RunState | undefined
  readonly journal: JournalEntry[] = []
  readonly events: ProgressEvent[] = []
  /** What really ran on the machine, in order. */
  readonly executed: Action[] = []
  readonly acquired: PackageId[] = []
  /** Copies of contents, as `folder → path`. */
  readonly placed: string[] = []
  /** Pauses, in milliseconds. */
  readonly waited: number[] = []
  commits = 0
  /** Commits and starts so far: the places where a crash can be planned. */
  points = 0
  /** What is still to come. */
  crashes: CrashPlan[]
  readonly #options: ManualHostOptions
  readonly #attempts = new Map<string, Attempt>()
  readonly #fenced = new Set<string>()
  #boot = 1
  #clock = 0

  constructor(options: ManualHostOptions = {}) {
    this.#options = options
    this.crashes = options.crashes ?? []
  }

  bootId(): string {
    return `boot-${this.#boot}`
  }

  /** The machine comes back with another boot. */
  reboot(): void {
    this.#boot++
  }

  now(): number {
    return this.monotonicMs()
  }

  monotonicMs(): number {
    return ++this.#clock
  }

  async commit(state: RunState, entries: JournalEntry[]): Promise<void> {
    this.commits++
    await this.#point(() => {
      this.state = state
      this.journal.push(...entries)
    })
  }

  async facts(): Promise<DeviceFacts & { freeDiskBytes: number }> {
    return { ...deviceFacts, ...this.#options.facts }
  }

  async factRows(): Promise<FactRows> {
    return deviceRows(await this.facts(), this.#options.rows)
  }

  async file(path: string): Promise<FileFacts | undefined> {
    return this.#options.files?.[path]
  }

  async machine(): Promise<MachineFacts> {
    const none = { macAddresses: [], ipAddresses: [], defaultGateways: [] }
    return { agentVersion: '0.1.0', ...none, ...this.#options.machine }
  }

  async software({ name }: SoftwareQuery): Promise<string[]> {
    return this.#options.software?.[name] ?? []
  }

  async registry(key: string, value: string | undefined): Promise<RegistryValue | 'key' | undefined> {
    return this.#options.registry?.[value === undefined ? key : `${key}\\${value}`]
  }

  async probeScript({ text }: { text: string }): Promise<{ exitCode: number } | { why: string }> {
    return this.#options.probe?.(text) ?? { exitCode: 0 }
  }

  async wait(ms: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.waited.push(ms)
  }

  async place(folder: string, path: string): Promise<Result<void>> {
    this.placed.push(`${folder} → ${path}`)
    return ok(undefined)
  }

  async acquire(
    packageId: PackageId,
    _retry: { count: number; delayMs: number },
    signal: AbortSignal,
  ): Promise<Result<AcquiredContent>> {
    signal.throwIfAborted()
    const reason = this.#options.contentProblem?.(packageId)
    if (reason !== undefined) return failed(reason)
    this.acquired.push(packageId)
    return ok({ folder: `/run/${packageId}`, neededBytes: 0, fetchedBytes: 0 })
  }

  async start(attempt: string, action: Action): Promise<void> {
    if (this.#attempts.has(attempt)) throw new Error(`attempt ${attempt} was started before`)
    await this.#point(
      () => {
        if (this.#fenced.has(attempt)) throw new Error(`attempt ${attempt} was started after it was fenced`)
        this.executed.push(action)
        const outcome = this.#options.outcome?.(action, this.executed.length)
        this.#attempts.set(attempt, { action, outcome: outcome ?? { kind: 'exited', exitCode: 0, output: '' } })
      },
      () => {
        // The machine took the program with it.
        const lost = this.#attempts.get(attempt)
        if (lost !== undefined) lost.outcome = undefined
      },
    )
  }

  async outcome(attempt: string, signal: AbortSignal): Promise<ActionOutcome> {
    signal.throwIfAborted()
    const known = this.#attempts.get(attempt)
    if (known === undefined) {
      this.#fenced.add(attempt)
      return { kind: 'notStarted' }
    }
    return known.outcome ?? { kind: 'unknown' }
  }

  progress(event: ProgressEvent): void {
    this.events.push(event)
  }

  async #point(act: () => void, machineLost?: () => void): Promise<void> {
    this.points++
    const plan = this.crashes.find(({ at }) => at === this.points)
    if (plan?.when !== 'before') act()
    if (plan === undefined) return
    if (plan.kind === 'machine') {
      machineLost?.()
      this.reboot()
    }
    throw new Crash(`${plan.kind} crashed ${plan.when} point ${plan.at}`)
  }
}

/** A problem for tests that need any. */
export const someProblem: Problem = problem('CONTENT_NOT_DISTRIBUTED', 'Nobody has it.')

const deviceFacts: DeviceFacts & { freeDiskBytes: number } = {
  hostname: 'device-1',
  platform: 'linux',
  architecture: 'x64',
  manufacturer: 'Lodestar',
  model: 'Lodestar 14',
  serialNumber: 'S1',
  os: { id: 'minios', name: 'MiniOS 1', version: '1' },
  memoryBytes: 4 * 1024 ** 3,
  processorMHz: 2000,
  freeDiskBytes: 50 * 1024 ** 3,
}
