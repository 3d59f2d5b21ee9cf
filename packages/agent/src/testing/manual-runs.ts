/** Runs that a test turns by hand: what was started, and when it ends. */
import { type DeploymentId, failed, ok, problem, type RunId, type RunProgress, RunReport } from '@sluice/protocol'
import type { AcceptedDeployment, Runs } from '../run/runs.ts'

export interface ManualRuns extends Runs {
  started: { deployment: AcceptedDeployment; by: 'user' | 'deadline' }[]
  resumed: number
  stopped: number
  /** What was cancelled; undefined stands for *whichever goes on*. */
  cancelled: (RunId | undefined)[]
  /** Ends the run that is going on. */
  finish(result?: RunReport['result']): void
}

export function createManualRuns(): ManualRuns {
  const listeners = new Set<() => void>()
  const reports = new Map<DeploymentId, RunReport>()
  let progress: RunProgress | undefined
  const change = (next: RunProgress) => {
    progress = next
    for (const listener of listeners) listener()
  }
  const runs: ManualRuns = {
    started: [],
    resumed: 0,
    stopped: 0,
    cancelled: [],
    async start(deployment, by) {
      if (progress !== undefined && progress.phase !== 'finished')
        return failed(problem('RUN_IN_PROGRESS', progress.deploymentId))
      runs.started.push({ deployment, by })
      const runId = `run_000000000${runs.started.length}` as RunId
      const { id: deploymentId } = deployment.deployment
      change({ runId, deploymentId, phase: 'running', step: 0, stepCount: 1, stepName: '', finishedSteps: [] })
      return ok({ runId })
    },
    progress: () => progress,
    onProgress(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    lastReport: (id) => reports.get(id),
    async resume() {
      runs.resumed++
    },
    consider() {},
    cancel: (runId) => void runs.cancelled.push(runId),
    pauseByUser: (id) => failed(problem('NOT_FOUND', id)),
    keepPaused: () => {},
    debug: () => {},
    async stop() {
      runs.stopped++
    },
    finish(result = 'success') {
      if (progress === undefined) return
      reports.set(progress.deploymentId, reportOf(result))
      change({ ...progress, phase: 'finished' })
    },
  }
  return runs
}

const reportOf = (result: RunReport['result']): RunReport =>
  RunReport.parse({
    result,
    osBefore: 'MiniOS 1 (alpha)',
    osAfter: 'MiniOS 2 (beta)',
    firstStepMs: 1,
    totalMs: 1,
    referencedBytes: 0,
    neededBytes: 0,
    fetchedBytes: 0,
    metadataBytes: 0,
    packages: [],
    steps: [],
    restarts: 0,
    logPath: '/smsts.log',
  })
