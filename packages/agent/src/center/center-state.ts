/** What Software Center shows: put together from policy and runs, whenever somebody looks. */
import type { CenterItem, CenterState, DeploymentId, RunProgress, RunReport } from '@sluice/protocol'
import type { EvaluatedDeployment } from '../policy/evaluation.ts'
import type { RefusalsNow } from '../policy/startable.ts'

export interface CenterSources {
  device: { name: string; os: string }
  organisation: string
  /** Milliseconds since 1970. */
  policyAt: number | undefined
  online: boolean
  deployments: readonly EvaluatedDeployment[]
  refusalsNow: RefusalsNow
  run: RunProgress | undefined
  lastReport: (deploymentId: DeploymentId) => RunReport | undefined
}

export function centerState(from: CenterSources): CenterState {
  const { device, organisation, policyAt, online, run } = from
  return {
    device,
    organisation,
    ...(policyAt === undefined ? {} : { policyAt: new Date(policyAt).toISOString() }),
    online,
    items: from.deployments.map((one) => centerItem(one, from)),
    ...(run === undefined ? {} : { run }),
  }
}

function centerItem(one: EvaluatedDeployment, { refusalsNow, run, lastReport }: CenterSources): CenterItem {
  const { deployment, sequence } = one
  const { settings, packages } = deployment
  const refusals = refusalsNow(one)
  const report = lastReport(deployment.id)
  const isRunning = run !== undefined && run.phase !== 'finished' && run.deploymentId === deployment.id
  return {
    deploymentId: deployment.id,
    name: deployment.name,
    state: isRunning ? 'installing' : stateOf(report, refusals.length > 0),
    refusals,
    required: settings.purpose === 'required',
    referencedBytes: packages.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
    onDemand: settings.contentOption === 'whenNeeded',
    ...(deployment.description === undefined ? {} : { description: deployment.description }),
    ...(settings.deadlineAt === undefined ? {} : { deadlineAt: settings.deadlineAt }),
    ...(sequence?.estimatedRunTimeMinutes === undefined
      ? {}
      : { estimatedRunTimeMinutes: sequence.estimatedRunTimeMinutes }),
    ...(sequence?.confirmation === undefined
      ? {}
      : { confirmation: { headline: sequence.confirmation.headline, text: sequence.confirmation.text } }),
    ...(report === undefined ? {} : { lastReport: report }),
  }
}

/** What has been done counts more than whether it could be done again. */
function stateOf(report: RunReport | undefined, isRefused: boolean): CenterItem['state'] {
  if (report?.result === 'success') return 'installed'
  if (isRefused) return 'refused'
  return report?.result === 'failure' ? 'failed' : 'available'
}
