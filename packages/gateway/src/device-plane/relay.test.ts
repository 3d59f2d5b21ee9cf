import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:https'
import { after, before, beforeEach, describe, test } from 'node:test'
import { deviceRoutes } from '@sluice/protocol'
import type { GatewayPorts } from '../gateway.ts'
import { ask, createWorld, until, type World } from '../testing/gateway-world.ts'

const json = (value: unknown) => Buffer.from(JSON.stringify(value))

describe('relaying', () => {
  let world: World
  let ports: GatewayPorts
  let echo: World['site']['onRelay']
  before(async () => {
    world = await createWorld()
    echo = world.site.onRelay
    ports = (await world.startLinked({ limits: { relays: 8, anonymousRelays: 2 } })).ports
  })
  after(() => world.close())
  beforeEach(() => {
    world.site.onRelay = echo
    world.site.relayed.length = 0
  })

  const post = (path: string, body: Buffer | string, more: Record<string, unknown> = {}) =>
    ask(path, { port: ports.device, agent: world.agent(world.device), method: 'POST', body, ...more })

  test('passes on the route, the caller, the parameters and the body, and nothing else', async () => {
    await ask('/v1/catalogue/metadata/7.snapshot.json', {
      port: ports.device,
      agent: world.agent(world.device),
      headers: { 'sluice-caller': 'forged', 'x-forwarded-for': '10.0.0.1', cookie: 'a=b', authorization: 'Bearer x' },
    })
    const [relayed] = world.site.relayed
    assert.equal(relayed?.routeId, 'catalogueMetadata')
    assert.deepEqual(relayed?.parameters, { file: '7.snapshot.json' })
    assert.equal(relayed?.caller.remoteAddress, '127.0.0.1')
    assert.deepEqual(Object.keys(relayed?.headers ?? {}).sort(), [
      ':authority',
      ':method',
      ':path',
      ':scheme',
      'content-length',
      'sluice-caller',
      'sluice-parameters',
    ])
  })

  test('gives the answer of the site as it is: status, kind and bytes', async () => {
    world.site.onRelay = async () => ({
      status: 403,
      contentType: 'application/problem+json',
      body: json({ code: 'DEVICE_PENDING' }),
    })
    const answer = await post('/v1/policy', '{}')
    assert.equal(answer.status, 403)
    assert.equal(answer.headers['content-type'], 'application/problem+json')
    assert.equal(answer.json().code, 'DEVICE_PENDING')
  })

  test('takes a body of the size of its route, and not a byte more', async () => {
    const { maxBodyBytes } = deviceRoutes.contentUrls
    assert.equal(maxBodyBytes, 256 * 1024)
    // This one the gateway answers: it gets as far as being parsed.
    assert.equal((await post('/v1/content/urls', Buffer.alloc(maxBodyBytes, 'x'))).json().code, 'BAD_REQUEST')
    assert.equal((await post('/v1/content/urls', Buffer.alloc(maxBodyBytes + 1, 'x'))).json().code, 'BODY_TOO_LARGE')

    const largest = Buffer.alloc(deviceRoutes.policy.maxBodyBytes, 'x')
    assert.equal((await post('/v1/policy', largest)).status, 200)
    assert.equal(world.site.relayed[0]?.body.length, largest.length)
    assert.equal((await post('/v1/policy', Buffer.concat([largest, largest]))).json().code, 'BODY_TOO_LARGE')
    assert.equal(world.site.relayed.length, 1)
  })

  test('stops a body without an announced length at the bound', async () => {
    const outgoing = request({
      host: '127.0.0.1',
      port: ports.device,
      path: '/v1/policy',
      method: 'POST',
      agent: world.agent(world.device),
    })
    let sent = 0
    outgoing.on('error', () => {})
    const answered = once(outgoing, 'response')
    const feed = setInterval(() => {
      sent += 16 * 1024
      if (!outgoing.destroyed) outgoing.write(Buffer.alloc(16 * 1024))
    }, 1)
    const [answer] = await answered
    clearInterval(feed)
    assert.equal(answer.statusCode, 413)
    outgoing.destroy()
    assert.ok(sent < 16 * deviceRoutes.policy.maxBodyBytes)
    assert.equal(world.site.relayed.length, 0)
  })

  test('a route without a body takes none', async () => {
    const answer = await ask('/v1/catalogue/metadata/1.root.json', {
      port: ports.device,
      agent: world.agent(world.device),
      method: 'GET',
      headers: { 'content-length': '1' },
      body: 'x',
    })
    assert.equal(answer.json().code, 'BODY_TOO_LARGE')
  })

  for (const [what, wrong] of Object.entries({
    'is longer than the route allows': { lengthBytes: deviceRoutes.status.maxAnswerBytes + 1 },
    'is a web page': { contentType: 'text/html' },
  }))
    test(`an answer that ${what} is not passed on`, async () => {
      world.site.onRelay = async () => ({ status: 200, contentType: 'application/json', body: json({}), ...wrong })
      const answer = await post('/v1/status', '{}')
      assert.equal(answer.json().code, 'BAD_ANSWER')
    })

  test('the site hears when the device goes away', async () => {
    world.site.onRelay = ({ signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('gone'))))
    const agent = world.agent(world.device)
    const outgoing = request({
      host: '127.0.0.1',
      port: ports.device,
      path: '/v1/content/token',
      method: 'POST',
      agent,
    })
    outgoing.on('error', () => {})
    outgoing.end('{}')
    await until(() => world.site.relayed.length === 1, 'the request')
    outgoing.destroy()
    await until(() => world.site.relayed[0]?.signal.aborted === true, 'the end of the request')
  })

  test('strangers cannot take all the room', async () => {
    const waiting: (() => void)[] = []
    world.site.onRelay = async (relayed) => {
      if (relayed.caller.identity === 'anonymous') await new Promise<void>((resolve) => waiting.push(resolve))
      return await echo(relayed)
    }
    const enrol = () => ask('/v1/enrol', { port: ports.enrolment, agent: world.agent(), method: 'POST', body: '{}' })
    const first = [enrol(), enrol()]
    await until(() => waiting.length === 2, 'two strangers')
    const third = await enrol()
    assert.equal(third.json().code, 'BUSY')
    assert.ok(Number(third.headers['retry-after']) > 0)
    assert.equal((await post('/v1/policy', '{}')).status, 200)
    for (const go of waiting) go()
    for (const answer of await Promise.all(first)) assert.equal(answer.status, 200)
  })

  test('without a site it says so, and when to come back', async () => {
    world.site.cut()
    await world.logs('link.ended', 2)
    const answer = await post('/v1/policy', '{}')
    assert.equal(answer.status, 503)
    assert.equal(answer.json().code, 'SITE_UNREACHABLE')
    assert.equal(answer.json().retry, 'later')
    assert.ok(Number(answer.headers['retry-after']) > 0)

    await world.site.connect(ports.link)
    assert.equal((await post('/v1/policy', '{}')).status, 200)
  })

  test('a site that breaks off in the middle is not taken for one that answered', async () => {
    world.site.onRelay = async () => ({
      status: 200,
      contentType: 'application/json',
      body: json({ half: true }),
      lengthBytes: 1000,
    })
    await assert.rejects(post('/v1/content/token', '{}'))
  })
})
