import assert from 'node:assert/strict'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { request } from 'node:https'
import { createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { deviceRoutes, problem, type Result } from '@sluice/protocol'
import { createTestAuthority } from '../testing/test-authority.ts'
import { type RawAnswer, startTestGateway, type TestAnswers, type TestGateway } from '../testing/test-gateway.ts'
import { createGatewayClient, type GatewayClient, type GatewayClientOptions } from './gateway-client.ts'

const deviceAuthority = createTestAuthority()

function newCredentials() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    certificate: deviceAuthority.issue({ publicKey: createPublicKey(privateKey), name: { uri: 'urn:test:device' } }),
  }
}

function clientOf(t: TestContext, gateways: TestGateway[], more: Partial<GatewayClientOptions> = {}): GatewayClient {
  const [first] = gateways
  assert.ok(first)
  const client = createGatewayClient({
    authority: first.authority.certificate,
    gateways: gateways.map(({ address }) => address),
    ...more,
  })
  client.identify(newCredentials())
  t.after(() => client.close())
  return client
}

const metadata = { parameters: { file: 'timestamp.json' } }
const code = (result: Result<unknown>) => (result.ok ? 'ok' : result.problem.code)
const accepted: TestAnswers = { status: () => ({ json: { accepted: 1 } }) }
const message = {
  messages: [
    {
      bootId: 'boot',
      seq: 1,
      at: '2026-11-20T00:00:00Z',
      event: { kind: 'agentProblem' as const, problem: problem('INTERNAL', 'x') },
    },
  ],
}

test('a call carries the certificate and the body, and gives the parsed answer', async (t) => {
  const gateway = await startTestGateway(t, accepted)
  const client = clientOf(t, [gateway])
  assert.deepEqual(await client.call('status', { body: message }), { ok: true, value: { accepted: 1 } })
  const [asked] = gateway.requests
  assert.deepEqual(asked?.body, message)
  assert.ok((asked?.certificate.length ?? 0) > 100)
  assert.equal(client.online(), true)
})

test('a route without an answer schema gives bytes', async (t) => {
  const gateway = await startTestGateway(t, {
    catalogueMetadata: ({ parameters }) => ({ bytes: Buffer.from(`it is ${parameters.file}`) }),
  })
  const answer = await clientOf(t, [gateway]).call('catalogueMetadata', metadata)
  assert.ok(answer.ok)
  assert.equal(answer.value.toString(), 'it is timestamp.json')
})

test('without a certificate only the enrolment listener is called', async (t) => {
  const gateway = await startTestGateway(t, { ...accepted, health: () => ({ bytes: Buffer.alloc(0) }) })
  const client = createGatewayClient({ authority: gateway.authority.certificate, gateways: [gateway.address] })
  t.after(() => client.close())
  assert.equal(code(await client.call('status', { body: message })), 'NOT_AUTHENTICATED')
  assert.equal(code(await client.call('health')), 'ok')
  assert.deepEqual(
    gateway.requests.map(({ route, certificate }) => [route, certificate.length]),
    [['health', 0]],
  )
})

test('G1: a gateway whose certificate another authority signed is not spoken to', async (t) => {
  const gateway = await startTestGateway(t, accepted)
  const client = clientOf(t, [gateway], { authority: createTestAuthority().certificate })
  const answer = await client.call('status', { body: message })
  assert.equal(code(answer), 'UNREACHABLE')
  assert.equal(gateway.requests.length, 0)
  assert.equal(client.online(), false)
})

test('G2: no session is resumed, and a new certificate counts at the next call', async (t) => {
  const reused: boolean[] = []
  const gateway = await startTestGateway(t, accepted)
  const client = clientOf(t, [gateway])
  gateway.answers.catalogueMetadata = () => ({
    raw: (response) => {
      const socket = response.socket as (Socket & { isSessionReused(): boolean }) | null
      reused.push(socket?.isSessionReused() ?? false)
      // Every call is a connection of its own.
      response.writeHead(200, { connection: 'close' }).end('x')
    },
  })
  for (let i = 0; i < 3; i++) assert.equal(code(await client.call('catalogueMetadata', metadata)), 'ok')
  client.identify(newCredentials())
  assert.equal(code(await client.call('catalogueMetadata', metadata)), 'ok')
  assert.deepEqual(reused, [false, false, false, false])
  const certificates = new Set(gateway.requests.map(({ certificate }) => certificate.toString('hex')))
  assert.equal(certificates.size, 2)
})

test('the next gateway is asked when one cannot be reached or has no way to the site; the one that answered is remembered', async (t) => {
  const authority = createTestAuthority()
  const down = await startTestGateway(t, accepted, { authority, name: 'gw_down000000' })
  await down.stop()
  const cut = await startTestGateway(
    t,
    { status: () => ({ problem: problem('SITE_UNREACHABLE', 'no link') }) },
    { authority, name: 'gw_cut0000000' },
  )
  const good = await startTestGateway(t, accepted, { authority, name: 'gw_good000000' })
  const remembered: string[] = []
  const client = clientOf(t, [down, cut, good], { remember: (id) => remembered.push(id) })
  assert.equal(code(await client.call('status', { body: message })), 'ok')
  assert.equal(code(await client.call('status', { body: message })), 'ok')
  assert.equal(cut.requests.length, 1)
  assert.equal(good.requests.length, 2)
  assert.deepEqual(remembered, ['gw_good000000'])

  const afterRestart = clientOf(t, [down, cut, good], { remembered: 'gw_good000000' })
  assert.equal(code(await afterRestart.call('status', { body: message })), 'ok')
  assert.equal(cut.requests.length, 1)
  await good.stop()
  assert.equal(code(await afterRestart.call('status', { body: message })), 'SITE_UNREACHABLE')
  assert.equal(afterRestart.online(), false)
})

test('an answer that is not one to ask elsewhere about is given as it is, with its advice when to come again', async (t) => {
  const authority = createTestAuthority()
  const first = await startTestGateway(
    t,
    {
      status: () => ({
        raw: (response) => {
          response
            .writeHead(503, { 'content-type': 'application/problem+json', 'retry-after': '7' })
            .end(JSON.stringify(problem('BUSY', 'later')))
        },
      }),
    },
    { authority },
  )
  const second = await startTestGateway(t, accepted, { authority, name: 'gw_0000000002' })
  const answer = await clientOf(t, [first, second]).call('status', { body: message })
  assert.ok(!answer.ok)
  assert.equal(answer.problem.code, 'BUSY')
  assert.equal(answer.problem.retryAfterMs, 7000)
  assert.equal(second.requests.length, 0)
})

test('G5: after "certificate expired" nothing but renew is asked, until there is a new certificate', async (t) => {
  const gateway = await startTestGateway(t, {
    status: () => ({ problem: problem('CERTIFICATE_EXPIRED', 'since yesterday') }),
    renew: () => ({ json: { certificate: 'new' } }),
  })
  const client = clientOf(t, [gateway])
  let told = 0
  client.onExpired(() => told++)
  for (let i = 0; i < 3; i++) assert.equal(code(await client.call('status', { body: message })), 'CERTIFICATE_EXPIRED')
  assert.equal(code(await client.call('renew', { body: { csr: 'x' } })), 'ok')
  assert.deepEqual(
    gateway.requests.map(({ route }) => route),
    ['status', 'renew'],
  )
  assert.equal(told, 1)
  client.identify(newCredentials())
  gateway.answers.status = accepted.status
  assert.equal(code(await client.call('status', { body: message })), 'ok')
})

for (const [what, raw] of [
  ['is no JSON', (r) => r.writeHead(200).end('<html>')],
  ['has another form', (r) => r.writeHead(200).end('{"accepted":"many"}')],
  ['says that it is compressed', (r) => r.writeHead(200, { 'content-encoding': 'gzip' }).end('x')],
  ['redirects', (r) => r.writeHead(302, { location: 'https://127.0.0.1/' }).end()],
  ['announces too many bytes', (r) => r.writeHead(200, { 'content-length': 2 ** 30 }).end()],
  [
    'sends too many bytes without announcing them',
    (r) => r.writeHead(200).end(' '.repeat(deviceRoutes.status.maxAnswerBytes + 1)),
  ],
  ['is a page of somebody in between', (r) => r.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Proxy</h1>')],
] satisfies [string, RawAnswer][]) {
  test(`G4: an answer that ${what} is BAD_ANSWER`, async (t) => {
    const gateway = await startTestGateway(t, { status: () => ({ raw }) })
    assert.equal(code(await clientOf(t, [gateway]).call('status', { body: message })), 'BAD_ANSWER')
    assert.equal(gateway.requests.length, 1)
  })
}

test('a body beyond the bound of the route never leaves the device', async (t) => {
  const gateway = await startTestGateway(t, {})
  const csr = 'x'.repeat(deviceRoutes.renew.maxBodyBytes)
  assert.equal(code(await clientOf(t, [gateway]).call('renew', { body: { csr } })), 'BODY_TOO_LARGE')
  assert.equal(gateway.requests.length, 0)
})

test('a gateway that accepts connections and says nothing is given up', async (t) => {
  const sockets = new Set<Socket>()
  const silent = createServer((socket) => sockets.add(socket)).listen(0, '127.0.0.1')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    silent.close()
  })
  const gateway = await startTestGateway(t)
  const client = clientOf(t, [gateway], { idleMs: 50 })
  const { port } = silent.address() as { port: number }
  client.use([{ ...gateway.address, deviceUrl: `https://127.0.0.1:${port}` }])
  assert.equal(code(await client.call('status', { body: message })), 'UNREACHABLE')
})

test('an answer that trickles is given up after the whole time', async (t) => {
  const gateway = await startTestGateway(t, {
    catalogueMetadata: () => ({
      raw: (response) => {
        const drip = setInterval(() => response.write('x'), 5)
        response.on('close', () => clearInterval(drip))
      },
    }),
  })
  const client = clientOf(t, [gateway], { idleMs: 5_000, totalMs: 100 })
  assert.equal(code(await client.call('catalogueMetadata', metadata)), 'UNREACHABLE')
})

test('an answer that breaks off is UNREACHABLE and not a short answer', async (t) => {
  const gateway = await startTestGateway(t, {
    catalogueMetadata: () => ({
      raw: (response) => {
        response.writeHead(200, { 'content-length': 100 })
        response.write('only this', () => response.destroy())
      },
    }),
  })
  assert.equal(code(await clientOf(t, [gateway]).call('catalogueMetadata', metadata)), 'UNREACHABLE')
})

test('a kept connection that the gateway closed meanwhile costs a caller nothing', async (t) => {
  const gateway = await startTestGateway(t, accepted)
  const client = clientOf(t, [gateway])
  assert.equal(code(await client.call('status', { body: message })), 'ok')
  await gateway.stop()
  await gateway.listen()
  assert.equal(code(await client.call('status', { body: message })), 'ok')
})

test('the abort of the caller ends a call, with its reason', async (t) => {
  const gateway = await startTestGateway(t, { catalogueMetadata: () => ({ raw: () => {} }) })
  const client = clientOf(t, [gateway])
  const abort = new AbortController()
  const call = client.call('catalogueMetadata', { ...metadata, signal: abort.signal })
  while (gateway.requests.length === 0) await turn()
  abort.abort(new Error('changed my mind'))
  await assert.rejects(call, /changed my mind/)
})

test('G3: signed addresses lead only to objects at known gateways', async (t) => {
  const hash = 'a'.repeat(64)
  const gateway = await startTestGateway(t, { object: () => ({ bytes: Buffer.from('bytes') }) })
  const client = clientOf(t, [gateway])
  const base = gateway.address.deviceUrl
  for (const address of [
    `https://127.0.0.1:1/v1/objects/pack/${hash}?expires=1`,
    `http://${new URL(base).host}/v1/objects/pack/${hash}`,
    `${base}/v1/policy`,
    `${base}/v1/objects/pack/../../x`,
    `${base.replace('https://', 'https://user@')}/v1/objects/pack/${hash}`,
    'file:///etc/shadow',
    '\\\\host\\share',
    'nonsense',
  ])
    assert.equal(code(client.objectTarget(address)), 'BAD_ANSWER', address)

  const target = client.objectTarget(`${base}/v1/objects/pack/${hash}?expires=1&signature=s`)
  assert.ok(target.ok)
  const { url, agent } = target.value
  const status = await new Promise((resolve, reject) => {
    request(url, { agent }, (response) => resolve(response.resume().statusCode))
      .on('error', reject)
      .end()
  })
  assert.equal(status, 200)
  assert.ok((gateway.requests[0]?.certificate.length ?? 0) > 100)
})

test('a host that refuses connections is named in the problem', async (t) => {
  const gateway = await startTestGateway(t)
  await gateway.stop()
  const answer = await clientOf(t, [gateway]).call('status', { body: message })
  assert.ok(!answer.ok)
  assert.match(answer.problem.detail, /^https:\/\/127\.0\.0\.1:\d+: ECONNREFUSED/)
})
