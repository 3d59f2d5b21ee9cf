import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { CenterState, centerPaths, type Problem, SESSION_HEADER } from '@sluice/protocol'
import { type Agent, type AgentReady, createAgent } from './agent.ts'
import { AgentConfig } from './config.ts'
import { silentLog } from './log.ts'
import { createManualRuns, type ManualRuns } from './testing/manual-runs.ts'
import { temporaryFolder } from './testing/temporary-folder.ts'
import { testDeviceId } from './testing/test-device.ts'
import { startTestSite, type TestSite } from './testing/test-site.ts'
import { until } from './testing/until.ts'

interface Running {
  agent: Agent
  ready: AgentReady
  runs: ManualRuns[]
  /** What Software Center shows. */
  state(): Promise<CenterState>
  post(path: string): Promise<{ status: number; body: { runId?: string; code?: string } }>
}

function configOf(folder: string, site: TestSite): AgentConfig {
  const enrolmentBundle = join(folder, 'bundle.json')
  writeFileSync(enrolmentBundle, JSON.stringify(site.bundle))
  return AgentConfig.parse({
    stateFolder: join(folder, 'state'),
    osRoot: folder,
    enrolmentBundle,
    organisation: 'Contoso',
    restart: { kind: 'exit', code: 75 },
    facts: { hostname: 'laptop-1' },
  })
}

function newAgent(t: TestContext, config: AgentConfig, runs: ManualRuns[] = []): Agent {
  const agent = createAgent({
    config,
    createRuns: () => {
      const made = createManualRuns()
      runs.push(made)
      return made
    },
    log: silentLog,
    random: () => 0,
    clock: Date.now,
    exit: () => {},
  })
  t.after(() => agent.stop())
  return agent
}

async function run(t: TestContext, config: AgentConfig): Promise<Running> {
  const runs: ManualRuns[] = []
  const agent = newAgent(t, config, runs)
  const started = await agent.start()
  assert.ok(started.ok, JSON.stringify(started))
  const page = new URL(JSON.parse(readFileSync(join(config.stateFolder, 'software-center.json'), 'utf8')).url)
  const token = new URLSearchParams(page.hash.slice(1)).get('token') ?? ''
  const headers = { [SESSION_HEADER]: token, origin: page.origin }
  return {
    agent,
    ready: started.value,
    runs,
    state: async () => CenterState.parse(await (await fetch(new URL(centerPaths.state, page), { headers })).json()),
    async post(path) {
      const response = await fetch(new URL(path, page), { method: 'POST', headers })
      return { status: response.status, body: (await response.json()) as { runId?: string; code?: string } }
    },
  }
}

async function world(t: TestContext) {
  const folder = temporaryFolder(t)
  const site = await startTestSite(t)
  return { folder, site, config: configOf(folder, site) }
}

const problems = (site: TestSite): Problem['code'][] =>
  site.messages.flatMap(({ event }) => (event.kind === 'agentProblem' ? [event.problem.code as Problem['code']] : []))

test('a new device enrols, gets policy, and starts what its user clicks on', async (t) => {
  const { site, config } = await world(t)
  const { id } = site.deploy()
  site.deploy({ allowInternet: false })
  const { ready, runs, state, post } = await run(t, config)
  assert.equal(ready.state, 'enrolling')
  assert.equal(ready.deviceId, null)
  await until('both deployments are shown', async () => (await state()).items.length === 2)

  const shown = await state()
  assert.equal(shown.device.name, 'laptop-1')
  assert.equal(shown.organisation, 'Contoso')
  assert.equal(shown.online, true)
  assert.ok(shown.policyAt)
  site.body.clientSettings.computerAgent.organizationName = 'Contoso Travel'
  assert.equal((await post(centerPaths.syncPolicy)).status, 202)
  await until('the name of the settings is shown', async () => (await state()).organisation === 'Contoso Travel')
  assert.deepEqual(
    shown.items.map((item) => [item.state, item.refusals[0]?.code]),
    [
      ['available', undefined],
      ['refused', 'INTERNET_NOT_ALLOWED'],
    ],
  )

  const installed = await post(centerPaths.install(id))
  assert.equal(installed.status, 202)
  assert.equal(installed.body.runId, 'run_0000000001')
  const [made] = runs
  assert.deepEqual(
    made?.started.map(({ deployment, by }) => [deployment.sequence.name, by]),
    [['Sequence 0', 'user']],
  )
  assert.equal((await state()).items[0]?.state, 'installing')
  assert.equal((await post(centerPaths.install(id))).body.code, 'RUN_IN_PROGRESS')
  made?.finish()
  assert.equal((await state()).items[0]?.state, 'installed')

  assert.equal((await post(centerPaths.install('dep_0000000001'))).body.code, 'INTERNET_NOT_ALLOWED')
  assert.equal((await post(centerPaths.install('dep_9999999999'))).body.code, 'NOT_FOUND')
  assert.equal(made?.started.length, 1)
  await until('the site heard of both', () => site.messages.length === 2)
})

test('after a restart the device is who it was: it takes up its run, offers what it knew, and reports when it can', async (t) => {
  const { site, config } = await world(t)
  site.deploy()
  const first = await run(t, config)
  await until('the deployment is shown', async () => (await first.state()).items.length === 1)
  await first.agent.stop()
  assert.equal(first.runs[0]?.stopped, 1)
  await site.gateway.stop()

  const second = await run(t, config)
  assert.deepEqual(second.ready, {
    softwareCenter: first.ready.softwareCenter,
    deviceId: testDeviceId,
    state: 'enrolled',
  })
  assert.equal(second.runs[0]?.resumed, 1)
  await until('the deployment is shown', async () => (await second.state()).items.length === 1)
  assert.equal((await second.state()).online, false)
  assert.equal((await second.post(centerPaths.install('dep_0000000000'))).status, 202)

  await site.gateway.listen()
  await until('the device is online', async () => (await second.state()).online)
  assert.equal(site.gateway.requests.filter(({ route }) => route === 'enrol').length, 1)
})

test('a required deployment starts by itself', async (t) => {
  const { site, config } = await world(t)
  site.deploy({ purpose: 'required', deadlineAt: new Date(Date.now() - 1000).toISOString() })
  const { runs } = await run(t, config)
  await until('it starts', () => runs[0]?.started.length === 1)
  assert.equal(runs[0]?.started[0]?.by, 'deadline')
})

test('a damaged state is reported to the site, and the identity is kept', async (t) => {
  const { site, config } = await world(t)
  const first = await run(t, config)
  await until('the device has policy', async () => (await first.state()).policyAt !== undefined)
  await first.agent.stop()
  writeFileSync(join(config.stateFolder, 'agent.db'), 'x'.repeat(10_000))

  const second = await run(t, config)
  assert.equal(second.ready.deviceId, testDeviceId)
  await until('the site was told', () => problems(site).includes('STATE_DAMAGED'))
})

test('a policy that names a wrong gateway does not cut the device off', async (t) => {
  const { site, config } = await world(t)
  const nowhere = { ...site.gateway.address, gatewayId: 'gw_9999999999', deviceUrl: 'https://127.0.0.1:1' }
  site.body.gateways = [nowhere as (typeof site.body.gateways)[number]]
  const { state } = await run(t, config)
  await until('the first policy', async () => (await state()).policyAt !== undefined)
  site.deploy()
  await until('a later policy arrives all the same', async () => (await state()).items.length === 1)
})

test('one agent per folder; a failed start leaves it free', async (t) => {
  const { site, config } = await world(t)
  const missing = { ...config, enrolmentBundle: join(config.stateFolder, 'no-such-file') }
  const unconfigured = await newAgent(t, missing).start()
  assert.ok(!unconfigured.ok)
  assert.equal(unconfigured.problem.code, 'CONFIGURATION_INVALID')

  await run(t, config)
  const second = await newAgent(t, config).start()
  assert.ok(!second.ok)
  assert.equal(second.problem.code, 'DATA_FOLDER_IN_USE')
  assert.ok(site)
})

test('an agent that is stopped while it enrols lets go of everything', async (t) => {
  const { site, config } = await world(t)
  await site.gateway.stop()
  const first = await run(t, config)
  await first.agent.stop()
  await first.agent.stop()
  await site.gateway.listen()
  const second = await run(t, config)
  await until('it enrols', async () => (await second.state()).policyAt !== undefined)
})
