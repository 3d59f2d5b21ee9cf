/** The beginning of a run, durable in one transaction (W1 of `create-runs.ts`). */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { flatten, startRun } from '@sluice/engine'
import { idFromRandom, ok, type Result, RunId } from '@sluice/protocol'
import type { Cache } from '../cache/cache.ts'
import type { RunRecord, RunStore } from './run-store.ts'
import type { AcceptedDeployment, RunParts } from './runs.ts'

/** @param options.installedAtMs when *Install* was called, on the rising clock of this process */
export async function beginRun(
  parts: RunParts,
  options: {
    accepted: AcceptedDeployment
    by: 'user' | 'deadline'
    installedAtMs: number
    store: RunStore
    cache: Cache
    folders: { runs: string; logs: string }
  },
): Promise<Result<RunRecord>> {
  const { config, state, platform, outbox, now } = parts
  const { accepted, by, installedAtMs, folders } = options
  const { deployment, sequence } = accepted
  const organization = accepted.clientSettings.computerAgent.organizationName ?? config.organisation
  const startedAt = Math.round(now() - (performance.now() - installedAtMs))
  const started = startRun({
    sequence,
    table: flatten(sequence),
    sequenceId: deployment.sequenceId,
    deploymentId: deployment.id,
    settings: deployment.settings,
    variables: accepted.variables,
    undeclaredInputs: parts.catalogue.mode() === 'online' ? 'allow' : 'refuse',
    startedBy: by,
    facts: await platform.facts(),
    machine: await platform.machine(),
    device: { ...parts.device, organization, dataPath: folders.runs, cachePath: join(config.stateFolder, 'cache') },
    logPath: folders.logs,
    at: startedAt,
  })
  if (!started.ok) return started
  const runId = RunId.parse(idFromRandom('run', randomBytes(20)))
  const record: RunRecord = {
    runId,
    accepted,
    startedAt,
    osBefore: await platform.osName(),
    firstStepMs: undefined,
    grants: undefined,
    state: started.value.state,
  }
  // W1
  state.transaction(() => {
    options.store.begin(record, started.value.entries)
    options.cache.lease(
      runId,
      deployment.packages.map((pack) => pack.contentId),
    )
    outbox.enqueue({ kind: 'runStarted', runId, deploymentId: deployment.id, startedBy: by })
  })
  return ok(record)
}
