import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { problem, type StatusEvent } from '@sluice/protocol'
import { createGatewayClient } from '../gateway-client/gateway-client.ts'
import { openDeviceKeys } from '../identity/device-keys.ts'
import { enrol } from '../identity/enrolment.ts'
import { silentLog } from '../log.ts'
import { createOutbox } from '../report/outbox.ts'
import { openState } from '../state/state.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { testFacts } from '../testing/test-device.ts'
import { startTestSite, type TestSite } from '../testing/test-site.ts'
import { until } from '../testing/until.ts'
import { openTrust, type Trust } from '../trust/trust.ts'
import { createEvaluationReports } from './evaluation-reports.ts'
import { createPolicyLoop, type PolicyLoop } from './policy-loop.ts'
import { createPolicyStore } from './policy-store.ts'

type Evaluated = Extract<StatusEvent, { kind: 'deploymentEvaluated' }>

interface World {
  site: TestSite
  trust: Trust
  loop: PolicyLoop
  /** What was said to the site about deployments. */
  said(): Evaluated[]
  /** Codes that stand against each deployment now. */
  codes(): string[][]
  /** Asks once more and waits for what comes of it. */
  poll(): Promise<void>
  /** A loop on the same state, as after a restart of the agent. */
  again(): Promise<PolicyLoop>
}

async function world(t: TestContext, prepare: (site: TestSite) => void): Promise<World> {
  const folder = temporaryFolder(t)
  const site = await startTestSite(t)
  // Polls happen when the test asks for them.
  site.body.clientSettings.clientPolicy.pollingIntervalMs = 3600_000
  prepare(site)
  const bundlePath = join(folder, 'bundle.json')
  writeFileSync(bundlePath, JSON.stringify(site.bundle))
  const platform = { facts: async () => ({ ...testFacts, freeDiskBytes: 1 }) }
  const keys = await openDeviceKeys(join(folder, 'identity'))
  const client = createGatewayClient({ authority: site.bundle.gatewayAuthority, gateways: site.bundle.gateways })
  t.after(() => client.close())
  const { signal } = new AbortController()
  const identity = await enrol({ bundlePath, keys, client, platform, log: silentLog, random: () => 0 }, signal)
  client.identify({ key: keys.identityPem, certificate: identity.certificate })
  const opened = await openState(join(folder, 'state'))
  assert.ok(opened.ok)
  const state = opened.value
  t.after(() => state.close())
  const outbox = createOutbox({ state, bootId: 'boot', now: Date.now })

  const open = async () => {
    const trust = await openTrust({
      folder: join(folder, 'trust'),
      deviceId: identity.deviceId,
      root: identity.trust.catalogueRoot,
      rootHash: identity.site.catalogueRootHash,
      fetch: (route, parameters, { maxBytes }) => client.call(route, { parameters, maxAnswerBytes: maxBytes }),
      store: createPolicyStore(state),
      clock: Date.now,
    })
    assert.ok(trust.ok)
    const counters = { evaluations: 0 }
    const loop = createPolicyLoop({
      trust: trust.value,
      client,
      platform,
      reports: createEvaluationReports(state, outbox),
      log: silentLog,
      random: () => 0,
      mayForget: () => true,
      shortestWaitMs: 2,
      onPolicy: () => {},
      onEvaluated: () => {
        counters.evaluations++
      },
    })
    t.after(() => loop.stop())
    loop.start()
    return { trust: trust.value, loop, counters }
  }
  const { trust, loop, counters } = await open()
  await until('the first policy is looked at', () => counters.evaluations > 0)
  return {
    site,
    trust,
    loop,
    said: () =>
      outbox
        .batch(1000, 1e9)
        .flatMap(({ message: { event } }) => (event.kind === 'deploymentEvaluated' ? [event] : [])),
    codes: () => loop.deployments().map(({ refusals }) => refusals.map(({ code }) => code)),
    async poll() {
      const before = site.polls()
      loop.sync()
      // The question after next comes only when everything of the next one is done.
      await until('one poll', () => site.polls() > before)
      loop.sync()
      await until('another poll', () => site.polls() > before + 1)
    },
    again: async () => (await open()).loop,
  }
}

test('a deployment that may run is offered with its verified sequence, and the site is told once', async (t) => {
  const { loop, said, poll, codes } = await world(t, (site) => site.deploy())
  const [one] = loop.deployments()
  assert.equal(one?.sequence?.name, 'Sequence 0')
  assert.deepEqual(codes(), [[]])
  assert.deepEqual(
    said().map(({ refusals }) => refusals),
    [[]],
  )
  await poll()
  assert.equal(said().length, 1)
})

test('the facts of the device and the hash of the known body go with every question', async (t) => {
  const { site, poll } = await world(t, () => {})
  await poll()
  const [first, second] = site.gateway.requests.filter(({ route }) => route === 'policy').map(({ body }) => body)
  assert.deepEqual((first as { facts: unknown }).facts, testFacts)
  assert.equal((first as { knownBodyHash?: string }).knownBodyHash, undefined)
  assert.match((second as { knownBodyHash?: string }).knownBodyHash ?? '', /^[0-9a-f]{64}$/)
})

test('every reason is kept once: those of the site and those that the device finds itself', async (t) => {
  const { codes, said } = await world(t, (site) => {
    const one = site.deploy({ allowInternet: false })
    one.refusals.push(
      problem('INTERNET_NOT_ALLOWED', 'said by the site'),
      problem('CONTENT_MISSING_IN_CLOUD', 'ABC00001'),
    )
  })
  assert.deepEqual(codes(), [['INTERNET_NOT_ALLOWED', 'CONTENT_MISSING_IN_CLOUD']])
  assert.equal(said().length, 1)
})

test('the client settings count on the device too', async (t) => {
  const { codes } = await world(t, (site) => {
    site.deploy()
    site.body.clientSettings.cloudServices = { enableGateway: false, allowCloudDistributionPoint: false }
  })
  assert.deepEqual(codes(), [['GATEWAY_USE_DISABLED', 'CLOUD_CONTENT_DISABLED']])
})

test('a sequence with Download Package Content needs download on demand', async (t) => {
  const download = { type: 'downloadPackageContent' as const, name: 'Get', packages: ['ABC00001' as never] }
  const { codes } = await world(t, (site) =>
    site.deploy({ contentOption: 'allBeforeStart' }, { steps: [{ type: 'group', name: 'G', steps: [download] }] }),
  )
  assert.deepEqual(codes(), [['ON_DEMAND_REQUIRED']])
})

test('changes are told when they happen: a new revision, a new reason, a deployment that is gone and comes back', async (t) => {
  const { site, said, poll } = await world(t, (site) => site.deploy())
  const [one] = site.body.deployments
  assert.ok(one)
  one.revision = 2
  await poll()
  one.settings.allowInternet = false
  await poll()
  site.body.deployments = []
  await poll()
  one.settings.allowInternet = true
  site.body.deployments = [one]
  await poll()
  assert.deepEqual(
    said().map(({ revision, refusals }) => [revision, ...refusals.map(({ code }) => code)]),
    [[1], [2], [2, 'INTERNET_NOT_ALLOWED'], [2]],
  )
})

test('a sequence that policy names with other bytes than the catalogue is refused', async (t) => {
  const { codes, loop } = await world(t, (site) => {
    const one = site.deploy()
    site.release(one.sequence.target, Buffer.from('{"format":"sluice-sequence/1"}'))
  })
  assert.deepEqual(codes(), [['NOT_RELEASED']])
  assert.equal(loop.deployments()[0]?.sequence, undefined)
})

test('a sequence whose bytes were changed on the way is not used; it is asked for again and nothing is told', async (t) => {
  const { site, codes, said, poll } = await world(t, (site) => {
    site.deploy()
    const honest = site.gateway.answers.catalogueTarget
    site.gateway.answers.catalogueTarget = async (request) => {
      const answer = await honest?.(request)
      assert.ok(answer && 'bytes' in answer)
      const bytes = Buffer.from(answer.bytes)
      bytes[20] = (bytes[20] ?? 0) ^ 1
      site.gateway.answers.catalogueTarget = honest
      return { bytes }
    }
  })
  await until('the bytes are right', () => codes()[0]?.length === 0)
  assert.deepEqual(
    said().map(({ refusals }) => refusals),
    [[]],
  )
  await poll()
  assert.equal(site.body.deployments.length, 1)
})

test('what the catalogue lists only later is offered as soon as it does', async (t) => {
  let putBack = () => {}
  const { codes, poll, said } = await world(t, (site) => {
    putBack = site.withdraw(site.deploy().sequence.target)
  })
  assert.deepEqual(codes(), [['NOT_RELEASED']])
  putBack()
  await poll()
  assert.deepEqual(codes(), [[]])
  assert.deepEqual(
    said().map(({ refusals }) => refusals.length),
    [1, 0],
  )
})

test('a step that this agent does not know refuses the deployment, and only that one', async (t) => {
  const { codes } = await world(t, (site) => {
    const strange = { format: 'sluice-sequence/1', name: 'New', inputs: [], steps: [{ type: 'teleport', name: 'x' }] }
    const one = site.deploy()
    one.sequence = site.release(`sequence/${one.sequenceId}/2`, Buffer.from(JSON.stringify(strange)))
    site.deploy()
  })
  assert.deepEqual(codes(), [['PLATFORM_NOT_SUPPORTED'], []])
})

test('a package whose manifest is not released refuses the deployment', async (t) => {
  const { codes } = await world(t, (site) => {
    const bytes = Buffer.from('manifest root')
    const manifest = site.release('manifest/ABC00001/1', bytes)
    const listed = {
      id: 'ABC00001',
      name: 'P',
      kind: 'package',
      version: 1,
      manifest,
      contentId: manifest.sha256,
      storedBytes: 1,
    }
    site.deploy().packages.push(listed as never)
    site.deploy().packages.push({ ...listed, contentId: 'f'.repeat(64) } as never)
    site.deploy().packages.push({ ...listed, manifest: { ...manifest, target: 'manifest/ABC00002/1' } } as never)
  })
  assert.deepEqual(codes(), [[], ['NOT_RELEASED'], ['NOT_RELEASED']])
})

test('policy of a stranger changes nothing', async (t) => {
  const { site, loop, poll, trust } = await world(t, (site) => site.deploy())
  const before = trust.policy.current()?.head.bodyHash
  const stranger = await startTestSite(t)
  const honest = site.gateway.answers.policy
  site.gateway.answers.policy = (request) => stranger.gateway.answers.policy?.(request) ?? { json: {} }
  loop.sync()
  await until('the stranger answered', () => stranger.polls() > 0)
  site.gateway.answers.policy = honest
  await poll()
  assert.equal(trust.policy.current()?.head.bodyHash, before)
  assert.equal(loop.deployments().length, 1)
})

test('a device that starts offline offers what it was offered before', async (t) => {
  const { site, loop, again } = await world(t, (site) => site.deploy())
  await loop.stop()
  await site.gateway.stop()
  const next = await again()
  await until('the deployment is offered', () => next.deployments().length === 1)
  assert.deepEqual(next.deployments()[0]?.refusals, [])
  assert.equal(next.deployments()[0]?.sequence?.name, 'Sequence 0')
})

test('a gateway that was away is asked again by itself', async (t) => {
  const { site, loop } = await world(t, () => {})
  await site.gateway.stop()
  loop.sync()
  await new Promise(setImmediate)
  site.deploy()
  await site.gateway.listen()
  await until('the deployment arrives', () => loop.deployments().length === 1)
})
