import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { type Problem, problem, StatusRequest } from '@sluice/protocol'
import { createGatewayClient } from '../gateway-client/gateway-client.ts'
import { silentLog } from '../log.ts'
import { openState } from '../state/state.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createTestAuthority } from '../testing/test-authority.ts'
import { startTestGateway, type TestAnswer, type TestGateway } from '../testing/test-gateway.ts'
import { until } from '../testing/until.ts'
import { createOutbox, type Outbox } from './outbox.ts'
import { createReporter, type Reporter } from './reporter.ts'

interface World {
  gateway: TestGateway
  outbox: Outbox
  reporter: Reporter
  /** Says some texts. */
  say(...texts: string[]): void
  /** What the site has, each message once, in the order of arrival. */
  taken: string[]
}

/** @param fault what happens instead of a good answer: before the site takes the messages, or after */
async function world(t: TestContext, fault: () => TestAnswer | { lost: TestAnswer } | undefined): Promise<World> {
  const taken: string[] = []
  const seen = new Set<string>()
  const gateway = await startTestGateway(t, {
    status: ({ body }) => {
      const failure = fault()
      if (failure !== undefined && !('lost' in failure)) return failure
      for (const { bootId, seq, event } of StatusRequest.parse(body).messages) {
        if (seen.has(`${bootId} ${seq}`)) continue
        seen.add(`${bootId} ${seq}`)
        if (event.kind === 'agentProblem') taken.push(event.problem.detail)
      }
      return failure === undefined ? { json: { accepted: 1 } } : failure.lost
    },
  })
  const state = await openState(temporaryFolder(t))
  assert.ok(state.ok)
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const client = createGatewayClient({ authority: gateway.authority.certificate, gateways: [gateway.address] })
  client.identify({
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: createTestAuthority().issue({ publicKey: createPublicKey(privateKey), name: { uri: 'urn:x' } }),
  })
  const outbox = createOutbox({ state: state.value, bootId: 'boot', now: Date.now })
  const reporter = createReporter({ outbox, client, log: silentLog, random: seededRandom(1), maxPauseMs: 4 })
  t.after(async () => {
    await reporter.stop()
    client.close()
    state.value.close()
  })
  const say = (...texts: string[]) => {
    for (const text of texts) outbox.enqueue({ kind: 'agentProblem', problem: problem('INTERNAL', text) })
  }
  return { gateway, outbox, reporter, say, taken }
}

test('what was said before and after the start reaches the site in order, and leaves the outbox', async (t) => {
  const { outbox, reporter, say, taken } = await world(t, () => undefined)
  say('one', 'two')
  reporter.start()
  await until('the first two arrive', () => taken.length === 2)
  say('three')
  await until('the outbox is empty', () => outbox.count() === 0)
  assert.deepEqual(taken, ['one', 'two', 'three'])
})

test('nothing is lost and nothing comes twice or out of order, whatever happens to requests and answers', async (t) => {
  const random = seededRandom(7)
  const faults = [
    { problem: problem('BUSY', 'full') },
    { problem: problem('SITE_UNREACHABLE', 'no link') },
    { raw: (response) => response.destroy() },
    { lost: { raw: (response) => response.destroy() } },
    { lost: { problem: problem('INTERNAL', 'after it was stored') } },
  ] satisfies (TestAnswer | { lost: TestAnswer })[]
  const { outbox, reporter, say, taken } = await world(t, () =>
    random() < 0.5 ? faults[Math.floor(random() * faults.length)] : undefined,
  )
  reporter.start()
  const texts = Array.from({ length: 300 }, (_, n) => `message ${n}`)
  for (const text of texts) {
    say(text)
    if (random() < 0.1) await new Promise(setImmediate)
  }
  await until('the outbox is empty', () => outbox.count() === 0)
  assert.deepEqual(taken, texts)
})

test('messages wait while the gateway is away', async (t) => {
  const { gateway, outbox, reporter, say, taken } = await world(t, () => undefined)
  await gateway.stop()
  reporter.start()
  say('one')
  await new Promise(setImmediate)
  assert.equal(outbox.count(), 1)
  await gateway.listen()
  reporter.wake()
  await until('it arrives', () => taken.length === 1)
})

test('a message whose form the site refuses does not hold up the others', async (t) => {
  let refused: Problem | undefined
  const { gateway, outbox, reporter, say, taken } = await world(t, () => undefined)
  const take = gateway.answers.status
  gateway.answers.status = (request) => {
    if (!JSON.stringify(request.body).includes('poison')) return take?.(request) ?? { json: {} }
    refused = problem('BAD_REQUEST', 'an older site does not know this')
    return { problem: refused }
  }
  say('one', 'two', 'poison', 'four', 'five')
  reporter.start()
  await until('the outbox is empty', () => outbox.count() === 0)
  assert.ok(refused)
  assert.deepEqual(taken, ['one', 'two', 'four', 'five'])
})

test('a device that the site refuses keeps its messages', async (t) => {
  let asked = 0
  const { outbox, reporter, say } = await world(t, () => {
    asked++
    return { problem: problem('DEVICE_PENDING', 'not yet') }
  })
  say('one')
  reporter.start()
  await until('it was tried several times', () => asked > 3)
  assert.equal(outbox.count(), 1)
})
