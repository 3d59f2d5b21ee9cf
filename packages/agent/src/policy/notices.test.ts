/** An agent that listens to a gateway over real TLS: when it asks for policy, and when it comes back. */
import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type TestContext, test } from 'node:test'
import { type DeviceNotice, problem } from '@sluice/protocol'
import { createGatewayClient } from '../gateway-client/gateway-client.ts'
import { createTestAuthority } from '../testing/test-authority.ts'
import { startTestGateway, type TestGateway } from '../testing/test-gateway.ts'
import { until } from '../testing/until.ts'
import { createNotices } from './notices.ts'

const authority = createTestAuthority()

async function world(t: TestContext, gateways: TestGateway[], random = () => 0) {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [first] = gateways
  assert.ok(first)
  const client = createGatewayClient({
    authority: first.authority.certificate,
    gateways: gateways.map(({ address }) => address),
  })
  t.after(() => client.close())
  client.identify({
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: authority.issue({ publicKey: createPublicKey(privateKey), name: { uri: 'urn:test:device' } }),
  })
  const waits: number[] = []
  const log = {
    info: (_: string, fields?: Record<string, unknown>) => void waits.push(Number(fields?.waitMs)),
    debug: () => {},
    warn: () => {},
    error: () => {},
  }
  const seen = { syncs: 0, waits, client }
  const notices = createNotices({ client, sync: () => void seen.syncs++, log, random, firstRetryMs: 10 })
  t.after(() => notices.stop())
  notices.start()
  return seen
}

/** A gateway whose open requests are in `open`; each hears one `alive` first. */
async function listening(t: TestContext, more: Parameters<typeof startTestGateway>[2] = {}) {
  const open: ServerResponse[] = []
  const gateway = await startTestGateway(
    t,
    {
      notify: () => ({
        raw(response) {
          open.push(response)
          say(response, { kind: 'alive', spreadMs: 0 })
        },
      }),
    },
    more,
  )
  return { gateway, open }
}
const say = (response: ServerResponse | undefined, notice: DeviceNotice) =>
  response?.write(`${JSON.stringify(notice)}\n`)

test('policy is asked for when the request is open, and at each notice', async (t) => {
  const { gateway, open } = await listening(t)
  const seen = await world(t, [gateway])
  await until('the first question', () => seen.syncs === 1)
  say(open[0], { kind: 'alive', spreadMs: 0 })
  say(open[0], { kind: 'sync', spreadMs: 0 })
  await until('the second question', () => seen.syncs === 2)
  // What a newer gateway may say, and a notice that arrives in pieces.
  open[0]?.write('{"kind":"somethingElse","spreadMs":1}\nno JSON\n{"kind":"sy')
  open[0]?.write('nc","spreadMs":0}\n')
  await until('the third question', () => seen.syncs === 3)
  assert.equal(open.length, 1)
  assert.equal(seen.client.online(), true)
})

test('N3: it waits its share of the time that the gateway names, and asks once for several notices', async (t) => {
  const { gateway, open } = await listening(t)
  const seen = await world(t, [gateway], () => 0.5)
  await until('the first question', () => seen.syncs === 1)
  const begun = performance.now()
  for (let i = 0; i < 5; i++) say(open[0], { kind: 'sync', spreadMs: 400 })
  await until('the second question', () => seen.syncs === 2)
  assert.ok(performance.now() - begun >= 195)
  say(open[0], { kind: 'sync', spreadMs: 0 })
  await until('the third question', () => seen.syncs === 3)
})

test('N2, N4: a request that breaks off is opened anew after a growing wait, and policy is asked for again', async (t) => {
  const { gateway, open } = await listening(t)
  const seen = await world(t, [gateway])
  for (let i = 0; i < 4; i++) {
    await until('the request', () => open.length === i + 1 && seen.syncs === i + 1)
    open[i]?.destroy()
  }
  await until('the waits', () => seen.waits.length === 4)
  assert.deepEqual(seen.waits, [5, 10, 20, 40])
})

test('when one gateway is away, another one is listened to', async (t) => {
  const shared = createTestAuthority()
  const away = await listening(t, { authority: shared })
  const there = await listening(t, { authority: shared, name: 'gw_0000000002' })
  await away.gateway.stop()
  const seen = await world(t, [away.gateway, there.gateway])
  await until('the question', () => seen.syncs === 1)
  assert.equal(there.open.length, 1)
})

test('N1: a gateway that knows no such request, or is full, is left in peace', async (t) => {
  const gateway = await startTestGateway(t, {
    notify: () => ({ problem: problem('BUSY', 'Too many listen.', { retryAfterMs: 300_000 }) }),
  })
  const seen = await world(t, [gateway])
  await until('the wait', () => seen.waits.length === 1)
  assert.equal(seen.waits[0], 300_000)
  gateway.answers.notify = () => ({ problem: problem('NOT_FOUND', 'No such route.') })
  const other = await world(t, [gateway])
  await until('the wait', () => other.waits.length === 1)
  assert.equal(other.waits[0], 3600_000)
})

test('an expired certificate is told to whoever renews it', async (t) => {
  const gateway = await startTestGateway(t, {
    notify: () => ({ problem: problem('CERTIFICATE_EXPIRED', 'Renew it.') }),
  })
  const seen = await world(t, [gateway])
  await until('the wait', () => seen.waits.length === 1)
  const answer = await seen.client.call('policy', { body: undefined as never })
  assert.equal(answer.ok ? 'asked' : answer.problem.code, 'CERTIFICATE_EXPIRED')
})
