import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { ClientSettings, DeploymentSettings, type Problem, problem, Sequence } from '@sluice/protocol'
import { silentLog } from '../log.ts'
import { createManualRuns } from '../testing/manual-runs.ts'
import { until } from '../testing/until.ts'
import { createDeadlines } from './deadlines.ts'
import type { EvaluatedDeployment } from './evaluation.ts'
import { createStartable } from './startable.ts'

const HOUR_MS = 3600_000

function deployment(
  number: number,
  settings: Partial<DeploymentSettings>,
  refusals: Problem[] = [],
): EvaluatedDeployment {
  return {
    deployment: {
      id: `dep_000000000${number}`,
      settings: DeploymentSettings.parse({ purpose: 'required', allowInternet: true, ...settings }),
    } as EvaluatedDeployment['deployment'],
    clientSettings: ClientSettings.parse({}),
    variables: [],
    sequence: Sequence.parse({
      format: 'sluice-sequence/1',
      name: 'S',
      steps: [{ type: 'setVariable', name: 'Step', variable: 'a', value: '1' }],
    }),
    refusals,
    unfinished: false,
  }
}

const at = (fromNowMs: number) => new Date(Date.now() + fromNowMs).toISOString()

function world(
  t: TestContext,
  deployments: EvaluatedDeployment[],
  mayStart: () => Problem | undefined = () => undefined,
) {
  const runs = createManualRuns()
  const { startable } = createStartable(mayStart, Date.now)
  const deadlines = createDeadlines({ deployments: () => deployments, runs, startable, now: Date.now, log: silentLog })
  runs.onProgress(() => deadlines.look())
  t.after(() => deadlines.stop())
  deadlines.start()
  const started = () => runs.started.map(({ deployment: { deployment }, by }) => `${deployment.id.at(-1)} ${by}`)
  return { runs, deadlines, started }
}

test('required deployments whose deadline has passed run one after another, each once', async (t) => {
  const { runs, started } = world(t, [
    deployment(1, { deadlineAt: at(-1) }),
    deployment(2, { deadlineAt: at(-HOUR_MS) }),
  ])
  await until('the first starts', () => started().length === 1)
  await sleep(20)
  assert.equal(started().length, 1)
  runs.finish()
  await until('the second starts', () => started().length === 2)
  runs.finish('failure')
  await sleep(20)
  assert.deepEqual(started(), ['1 deadline', '2 deadline'])
})

test('a deadline that comes is met', async (t) => {
  const deadlineAt = at(100)
  const { started } = world(t, [deployment(1, { deadlineAt })])
  await until('it starts', () => started().length === 1)
  assert.ok(Date.now() >= Date.parse(deadlineAt))
})

test('neither available deployments nor later deadlines nor those without one start by themselves', async (t) => {
  const { deadlines, started } = world(t, [
    deployment(1, { purpose: 'available', deadlineAt: at(-1) }),
    deployment(2, { deadlineAt: at(HOUR_MS) }),
    deployment(3, {}),
  ])
  deadlines.look()
  await sleep(20)
  assert.deepEqual(started(), [])
})

test('what is refused, expired or too old does not start at its deadline', async (t) => {
  let stale: Problem | undefined = problem('POLICY_STALE', 'offline for long')
  const { deadlines, started } = world(
    t,
    [
      deployment(1, { deadlineAt: at(-1) }, [problem('CLOUD_CONTENT_DISABLED', '')]),
      deployment(2, { deadlineAt: at(-1), expiresAt: at(-1) }),
      deployment(3, { deadlineAt: at(-1), availableAt: at(HOUR_MS) }),
      deployment(4, { deadlineAt: at(-1) }),
    ],
    () => stale,
  )
  await sleep(20)
  assert.deepEqual(started(), [])
  stale = undefined
  deadlines.look()
  await until('the last one starts', () => started().length === 1)
  assert.deepEqual(started(), ['4 deadline'])
})
