/**
 * What the rest of the agent knows about runs: start one, watch it, read its report. The policy
 * decides whether a deployment may start, Software Center asks for it, the run does it.
 */
import type {
  ClientSettings,
  DeploymentId,
  DeviceId,
  NumberedDebugOrder,
  PolicyDeployment,
  PolicyVariable,
  Result,
  RunId,
  RunProgress,
  RunReport,
  Sequence,
  SiteId,
} from '@sluice/protocol'
import type { AgentConfig } from '../config.ts'
import type { GatewayClient } from '../gateway-client/gateway-client.ts'
import type { DeviceKeys } from '../identity/device-keys.ts'
import type { Log } from '../log.ts'
import type { Platform } from '../platform/platform.ts'
import type { EvaluatedDeployment } from '../policy/evaluation.ts'
import type { Outbox } from '../report/outbox.ts'
import type { RevealSecret } from '../secrets/reveal-secret.ts'
import type { State } from '../state/state.ts'
import type { Catalogue } from '../trust/catalogue.ts'

/** A deployment that policy and catalogue name, with its verified sequence. */
export interface AcceptedDeployment {
  deployment: PolicyDeployment
  sequence: Sequence
  clientSettings: ClientSettings
  /** Of the device and its collections. */
  variables: readonly PolicyVariable[]
}

/** Who asked a run to rest. */
export type PausedBy = 'administrator' | 'user'

export interface Runs {
  /** Durable when it returns; the run itself goes on. `RUN_IN_PROGRESS` when another one does. */
  start(deployment: AcceptedDeployment, by: 'user' | 'deadline'): Promise<Result<{ runId: RunId }>>
  /** The run that is going on or has just finished. */
  progress(): RunProgress | undefined
  /** Calls `listener` after each change; returns what ends that. */
  onProgress(listener: () => void): () => void
  lastReport(deploymentId: DeploymentId): RunReport | undefined
  /** Takes up a run that an earlier process or boot left; returns when that is done, and the run itself goes on. */
  resume(): Promise<void>
  /**
   * Ends a run, or the one that goes on where none is named, at its next safe point: between steps, while content is
   * fetched, while a restart is waited for. Durable when it returns; nothing happens to a run that does not go on.
   */
  cancel(runId?: RunId): void
  /**
   * The user's wish that the run of this deployment rests before its next step, or goes on. Durable when it returns.
   * `PAUSE_NOT_ALLOWED` where the deployment or the administrator does not let him, or his time for it is over.
   */
  pauseByUser(deploymentId: DeploymentId, paused: boolean): Result<undefined>
  /**
   * The administrator's pauses are exactly these: a run that goes on and is not among them need not rest for him.
   * @param resumed runs that shall go on, also where their user let them rest
   */
  keepPaused(paused: readonly RunId[], resumed?: readonly RunId[]): void
  /** Orders of the debugger for the run that goes on: exactly these are there. */
  debug(orders: readonly NumberedDebugOrder[]): void
  /** What policy has now: which contents persist, and what is to be fetched in advance. */
  consider(deployments: readonly EvaluatedDeployment[]): void
  /** Lets go of a run without cancelling it: a detached runner stays. */
  stop(): Promise<void>
}

/** What a run may use of the rest of the agent. */
export interface RunParts {
  config: AgentConfig
  state: State
  /** Boot id, facts, and the restart of the machine. */
  platform: Platform
  client: GatewayClient
  /** Whose runs these are. */
  device: { id: DeviceId; site: SiteId }
  /** Bytes of manifest roots, as policy refers to them; its mode says which inputs a run may have. */
  catalogue: Pick<Catalogue, 'fetchTarget' | 'mode'>
  /** The seal key opens package keys. */
  keys: DeviceKeys
  /** Asks the site for a secret. */
  revealSecret: RevealSecret
  /** As the present policy has them. */
  clientSettings: () => ClientSettings
  outbox: Pick<Outbox, 'enqueue'>
  /** Milliseconds since 1970, by the site's signed time. */
  now: () => number
  log: Log
}

/** Makes the runs of an enrolled device; starts nothing. */
export type CreateRuns = (parts: RunParts) => Runs
