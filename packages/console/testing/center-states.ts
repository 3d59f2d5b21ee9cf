/** States of a device as Software Center shows them, to tell stories with. */
import {
  type CenterItem,
  type CenterState,
  ClientSettings,
  DeploymentSettings,
  deploymentRefusals,
  problem,
} from '@sluice/protocol'
import type { z } from 'zod'

type State = z.input<typeof CenterState>
type Item = z.input<typeof CenterItem>
type Run = NonNullable<State['run']>

export const upgradeId = 'dep_0000000001'
export const refusedId = 'dep_0000000002'
export const driversId = 'dep_0000000003'

export function upgrade(more: Partial<Item> = {}): Item {
  return {
    deploymentId: upgradeId,
    name: 'Upgrade to MiniOS 2',
    description:
      'Brings this computer to MiniOS 2, the release that the service desk supports until 2029. Your files and apps stay where they are.',
    state: 'available',
    refusals: [],
    required: false,
    estimatedRunTimeMinutes: 45,
    referencedBytes: 92_300_000,
    onDemand: true,
    ...more,
  }
}

/** An item that a real rule of the protocol refuses. */
export function refused(): Item {
  return upgrade({
    deploymentId: refusedId,
    name: 'Firmware for docking stations',
    description: 'Newer firmware for the docking stations in the meeting rooms.',
    state: 'refused',
    referencedBytes: 1_240_000_000,
    estimatedRunTimeMinutes: 10,
    refusals: deploymentRefusals({
      location: 'internet',
      clientSettings: ClientSettings.parse({ cloudServices: { allowCloudDistributionPoint: false } }),
      settings: DeploymentSettings.parse({}),
      downloadsPackageContent: false,
      contentServed: true,
      missingPackages: [],
    }),
  })
}

export function required(): Item {
  return upgrade({
    deploymentId: driversId,
    name: 'Drivers for spring 2027',
    description: 'Newer drivers for graphics, network and sound.',
    required: true,
    deadlineAt: '2031-03-14T16:00:00Z',
    estimatedRunTimeMinutes: 20,
    referencedBytes: 412_000_000,
  })
}

export function device(items: Item[], run?: Run, more: Partial<State> = {}): State {
  return {
    device: { name: 'ALBA-0042', os: 'MiniOS 1 (alpha)' },
    organisation: 'Contoso',
    policyAt: '2026-11-20T08:52:00Z',
    online: true,
    items,
    ...(run && { run }),
    ...more,
  }
}

const finished: Run['finishedSteps'] = [
  { name: 'Check readiness', outcome: 'succeeded', ms: 420 },
  { name: 'Drivers for model Alba 11', outcome: 'skipped', ms: 0 },
  { name: 'Drivers for model Alba 13', outcome: 'succeeded', ms: 8130 },
  { name: 'Drivers for model Alba 15', outcome: 'skipped', ms: 0 },
  {
    name: 'Remove old printer queue',
    outcome: 'failedContinued',
    ms: 1310,
    problem: problem('STEP_FAILED', 'exit code 2'),
  },
]

export function run(more: Partial<Run> = {}): Run {
  return {
    runId: 'run_0000000000',
    deploymentId: upgradeId,
    phase: 'running',
    step: 6,
    stepCount: 12,
    stepName: 'Upgrade Operating System',
    finishedSteps: finished,
    ...more,
  }
}

export const preparing = () => run({ phase: 'preparing', step: 0, stepName: '', finishedSteps: [] })

export const downloading = (doneBytes = 21_400_000) =>
  run({
    download: { packageName: 'MiniOS 2 upgrade', doneBytes, totalBytes: 36_800_000, bytesPerSecond: 1_240_000 },
  })

export const waiting = () =>
  run({
    download: { packageName: 'MiniOS 2 upgrade', doneBytes: 21_400_000, totalBytes: 36_800_000, bytesPerSecond: 0 },
    waiting: problem('UNREACHABLE', 'gateway.contoso.example:8443 did not answer within 10 s.', {
      retryAfterMs: 15_000,
    }),
  })

export const restarting = () => run({ phase: 'restarting', step: 7, stepName: 'Restart Computer' })

type Report = NonNullable<Item['lastReport']>

export function succeeded(): Report {
  return {
    result: 'success',
    osBefore: 'MiniOS 1 (alpha)',
    osAfter: 'MiniOS 2 (beta)',
    firstStepMs: 310,
    totalMs: 151_000,
    referencedBytes: 92_300_000,
    neededBytes: 53_600_000,
    fetchedBytes: 53_600_000,
    metadataBytes: 41_000,
    packages: [],
    steps: [
      ...finished,
      { name: 'Upgrade Operating System', outcome: 'succeeded', ms: 74_200 },
      { name: 'Restart Computer', outcome: 'succeeded', ms: 21_800 },
      { name: 'Set up the new release', outcome: 'succeeded', ms: 2450 },
    ],
    restarts: 1,
    logPath: '/var/log/sluice/smsts.log',
  }
}

export function failed(): Report {
  return {
    ...succeeded(),
    result: 'failure',
    failedStep: 'Upgrade Operating System',
    problem: problem('UPGRADE_FAILED', 'dpkg ended with exit code 2: mini-base could not be configured.'),
    osAfter: 'MiniOS 1 (alpha)',
    steps: [...finished, { name: 'Upgrade Operating System', outcome: 'failed', ms: 31_000 }],
    restarts: 0,
  }
}
