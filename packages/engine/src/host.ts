/**
 * The engine's only view of the world. The agent implements it with files, processes and the
 * network; tests implement it by hand and decide what happens when; a preview implements it with
 * the facts of a device. Nothing in this package reads a clock, a disk or a random number.
 */
import type { DeviceFacts, PackageId, Problem, Result } from '@sluice/protocol'
import type { JournalEntry, RunState } from './run/run-state.ts'
import type { FactRows } from './wql/index.ts'

/** Names one execution of one step: unique within a run, derived from the journal and not from chance. */
export type AttemptId = string

/** What a step does outside the engine, carried out by a detached runner. */
export type Action =
  | {
      kind: 'command'
      /** Program and arguments: variables are already expanded, no shell is involved. */
      argv: string[]
      workingDirectory: string | undefined
      timeoutMs: number | undefined
      /** Do not write the command line to the log. */
      hidden: boolean
      /** Becomes a file, of which the path takes the place of the word at this index of `argv`. */
      script?: { text: string; name: string; at: number } | undefined
      /** Account that the program runs as; absent: the system's. */
      account?: string | undefined
      /** Name of the secret with the account's password, which Windows needs. */
      accountSecret?: string | undefined
      /** Secrets that its processes may ask for; only names, here as everywhere. */
      secrets?: readonly string[] | undefined
      /** Name of a secret that the program reads from its standard input: one line, base64 of its UTF-8. */
      secretInput?: string | undefined
    }
  | {
      kind: 'softwareUpdates'
      /** `mandatory`: security updates. */
      target: 'mandatory' | 'all'
      timeoutMs: number | undefined
    }
  | {
      kind: 'upgradeOperatingSystem'
      /** Folder with the OS upgrade package. */
      sourcePath: string
      driverPath: string | undefined
      scanOnly: boolean
      timeoutMs: number | undefined
    }

/** What a step did to a variable, by its own wish. An empty value removed it. */
export interface VariableChange {
  name: string
  value: string
  hidden: boolean
}

export type ActionOutcome =
  | {
      kind: 'exited'
      exitCode: number
      /** Last characters of standard output, at most 1,000. */
      output: string
      /** Each variable once. */
      changes?: VariableChange[]
    }
  | { kind: 'timedOut'; changes?: VariableChange[] }
  | { kind: 'couldNotStart'; detail: string }
  /** It began, and is neither alive nor done; nothing of it lives any more. */
  | { kind: 'unknown' }
  /** Nothing of it ever began and, fenced, nothing ever will: the step may run again, whatever its class. */
  | { kind: 'notStarted' }

export interface AcquiredContent {
  /** Folder that holds the package's files, verified, read-only for the step. */
  folder: string
  neededBytes: number
  fetchedBytes: number
}

export interface FileFacts {
  kind: 'file' | 'folder'
  modifiedMs: number
  /** File version where the system has one. */
  version: string | undefined
}

/** What a device tells about itself beyond its facts; what it cannot tell is absent. */
export interface MachineFacts {
  agentVersion: string
  assetTag?: string | undefined
  uuid?: string | undefined
  macAddresses: string[]
  ipAddresses: string[]
  defaultGateways: string[]
  onAcPower?: boolean | undefined
  network?: 'none' | 'wireless' | 'wired' | undefined
  uefi?: boolean | undefined
  secureBoot?: boolean | undefined
  /** As `_SMSTSTimezone` says it. */
  timeZone?: string | undefined
  tpm?: 'none' | 'present' | 'enabled' | 'activated' | undefined
}

/** A value of the registry: numbers as decimal digits, several texts with line breaks between them. */
export interface RegistryValue {
  type: string
  data: string
}

export interface SoftwareQuery {
  name: string
  productCode?: string | undefined
  upgradeCode?: string | undefined
}

export interface Host {
  /** Names the present boot of the machine. Never taken from a clock. */
  bootId(): string
  /** Milliseconds since 1970; for the journal and for people, never for decisions. */
  now(): number
  /** Milliseconds on a clock that only rises; for durations. */
  monotonicMs(): number
  /**
   * Makes the new state and the entries durable, all or nothing, and returns when they are. Called
   * at most three times a step. The state is never changed afterwards: it may be kept as it is.
   */
  commit(state: RunState, entries: JournalEntry[]): Promise<void>
  facts(): Promise<DeviceFacts & { freeDiskBytes: number }>
  /** The facts as the rows of WMI's classes; for conditions that query them. */
  factRows(): Promise<FactRows>
  /** Facts of a path, or undefined when there is nothing. */
  file(path: string): Promise<FileFacts | undefined>
  machine(): Promise<MachineFacts>
  /** Every installed version of a product, as the package tool of the system tells it. */
  software(query: SoftwareQuery): Promise<string[]>
  /** A value in the registry, or `'key'` when only the key is there. Elsewhere than on Windows there is nothing. */
  registry(key: string, value: string | undefined): Promise<RegistryValue | 'key' | undefined>
  /** Runs a script that only looks. Rejects nothing: what went wrong is told. */
  probeScript(
    script: { text: string; argv: string[]; at: number; name: string },
    timeoutMs: number,
  ): Promise<{ exitCode: number } | { why: string }>
  /** Lets time pass. Rejects when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<void>
  /**
   * Puts a copy of a content at a path, whole or not at all, and durably. A copy that is there is
   * replaced. `STEP_COULD_NOT_START` when the system refuses.
   */
  place(folder: string, path: string): Promise<Result<void>>
  /**
   * Makes the content of a package available to the run, from the run's folder, the cache or a
   * distribution point. Retries within the limits given, and reports progress by itself. Asking
   * again after a crash is normal and costs nothing for what is there. Rejects when aborted.
   * @param files patterns of the files that are needed; undefined: all
   */
  acquire(
    packageId: PackageId,
    retry: { count: number; delayMs: number },
    signal: AbortSignal,
    files: readonly string[] | undefined,
    /** The time that the run has left; behind it, `RUN_TIME_EXCEEDED`. Undefined: any. */
    leftMs: number | undefined,
  ): Promise<Result<AcquiredContent>>
  /**
   * Starts the runner of an attempt. Durable intent was committed before.
   * @param leftMs the time that the run has left: a limit beside the action's own; undefined: none
   */
  start(attempt: AttemptId, action: Action, leftMs: number | undefined): Promise<void>
  /**
   * Waits for an attempt, also one that an earlier process or boot started. Aborting ends the
   * waiting (it rejects), never the attempt.
   */
  outcome(attempt: AttemptId, signal: AbortSignal): Promise<ActionOutcome>
  /** The moment for progress displays; may be lost. */
  progress(event: ProgressEvent): void
}

export type ProgressEvent =
  | { kind: 'stepStarted'; instruction: number; name: string; step: number; stepCount: number }
  | { kind: 'stepFinished'; instruction: number; name: string; problem?: Problem }
