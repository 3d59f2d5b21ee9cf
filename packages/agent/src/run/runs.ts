/**
 * What the rest of the agent knows about runs: start one, watch it, read its report. The policy
 * decides whether a deployment may start, Software Center asks for it, the run does it.
 */
import type {
  ClientSettings,
  DeploymentId,
  PolicyDeployment,
  Result,
  RunId,
  RunProgress,
  RunReport,
  Sequence,
} from '@sluice/protocol'

/** A deployment that policy and catalogue name, with its verified sequence. */
export interface AcceptedDeployment {
  deployment: PolicyDeployment
  sequence: Sequence
  clientSettings: ClientSettings
}

export interface Runs {
  /** Durable when it returns; the run itself goes on. `RUN_IN_PROGRESS` when another one does. */
  start(deployment: AcceptedDeployment, by: 'user' | 'deadline'): Promise<Result<{ runId: RunId }>>
  /** The run that is going on or has just finished. */
  progress(): RunProgress | undefined
  /** Calls `listener` after each change; returns what ends that. */
  onProgress(listener: () => void): () => void
  lastReport(deploymentId: DeploymentId): RunReport | undefined
  /** Goes on with a run that an earlier process or boot left. */
  resume(): Promise<void>
  /** Lets go of a run without cancelling it: a detached runner stays. */
  stop(): Promise<void>
}
