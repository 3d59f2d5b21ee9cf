/**
 * What ends while it is going on: a certificate in the middle of a connection and of a transfer, and the
 * link to the site (SEC-20, SEC-58). The clock is turned by hand.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { after, afterEach, before, describe, test } from 'node:test'
import type { ContentId, StoredObject } from '@sluice/protocol'
import type { GatewayPorts } from './gateway.ts'
import { type Credentials, issueDevice } from './testing/authorities.ts'
import { ask, createWorld, deviceId, hear, siteId, until, type World } from './testing/gateway-world.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** More than both operating systems hold for a connection. */
const PACK = Buffer.alloc(48 * 1024 * 1024, 'p')

describe('what ends while it is going on', () => {
  let world: World
  let ports: GatewayPorts
  let contentId: ContentId
  let pack: StoredObject
  let time = Date.now()
  const start = time
  before(async () => {
    world = await createWorld({ now: () => time })
    const content = world.addContent({ kind: 'pack', bytes: PACK })
    contentId = content.contentId
    ;[pack] = content.objects as [StoredObject]
    // A quarter of a minute in life; the looks are by a clock that is not turned.
    ports = (await world.startLinked({}, { identityIntervalMs: 20 })).ports
    await world.reported(contentId, 'present')
  })
  after(() => world.close())
  afterEach(() => {
    time = start
  })

  const urls = async (credentials: Credentials) => {
    const token = await world.token([contentId], {
      claims: { cnf: { 'x5t#S256': Buffer.from(credentials.hash, 'hex').toString('base64url') } },
    })
    return await ask('/v1/content/urls', {
      port: ports.device,
      agent: world.agent(credentials),
      method: 'POST',
      body: JSON.stringify({ token, objects: [{ contentId, kind: pack.kind, hash: pack.hash }] }),
    })
  }
  async function address(credentials: Credentials): Promise<string> {
    const answer = await urls(credentials)
    assert.equal(answer.status, 200, answer.body.toString())
    const [{ url }] = answer.json().objects as [{ url: string }]
    return url.slice(url.indexOf('/v1'))
  }

  /** A transfer that has begun and is not read on. */
  async function begin(credentials: Credentials): Promise<IncomingMessage> {
    const outgoing = request({
      host: '127.0.0.1',
      port: ports.device,
      path: await address(credentials),
      agent: world.agent(credentials),
    })
    outgoing.on('error', () => {})
    outgoing.end()
    const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage]
    assert.equal(incoming.statusCode, 200)
    incoming.on('error', () => {})
    return incoming
  }
  /** Reads on, to the end or to where it broke off. */
  async function rest(incoming: IncomingMessage): Promise<number> {
    let bytes = 0
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    if (!incoming.closed) await new Promise((resolve) => incoming.once('close', resolve))
    return bytes
  }

  test('a transfer goes on while the certificate holds', async () => {
    assert.equal(await rest(await begin(world.device)), PACK.length)
  })

  test('a transfer ends in the middle when the certificate of its device expires', async () => {
    const credentials = await issueDevice(world.authority.device, siteId, deviceId, { issuedAt: time, lifeMs: HOUR_MS })
    const incoming = await begin(credentials)
    const heard = await hear(ports.device, world.agent(credentials))
    const agent = world.agent(credentials)
    const poll = () => ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    assert.equal((await poll()).status, 200)
    time += HOUR_MS + 1000
    await until(() => heard.ended, 'the end of the quiet request')
    assert.ok((await rest(incoming)) < PACK.length)
    assert.equal((await poll()).json().code, 'CERTIFICATE_EXPIRED', 'on the connection that it kept')
  })

  test('a transfer ends in the middle when the certificate of its device is revoked', async () => {
    const credentials = await issueDevice(world.authority.device, siteId, deviceId)
    const incoming = await begin(credentials)
    const heard = await hear(ports.device, world.agent(credentials))
    world.site.say({ kind: 'revoked', certificates: [credentials.hash] })
    await until(() => heard.ended, 'the cut of its connections')
    assert.ok((await rest(incoming)) < PACK.length)
    assert.equal((await urls(credentials)).json().code, 'CERTIFICATE_REVOKED')
  })

  test('an address that was given before is good for five minutes and no longer', async () => {
    const path = await address(world.device)
    const head = async () =>
      (await ask(path, { port: ports.device, agent: world.agent(world.device), headers: { range: 'bytes=0-0' } }))
        .status
    time += 5 * MINUTE_MS - 2_000
    assert.equal(await head(), 206)
    time += 3_000
    assert.equal(await head(), 403)
  })

  test('without its site it serves content for four hours, then says 503, and serves again with it', async () => {
    const path = await address(world.device)
    const ranged = async (from: string) =>
      (await ask(from, { port: ports.device, agent: world.agent(world.device), headers: { range: 'bytes=0-9' } }))
        .status
    assert.equal(await ranged(path), 206)
    const ends = world.logged.filter((line) => line.includes('link.ended')).length
    world.site.cut()
    await world.logs('link.ended', ends + 2)

    const cutAt = time
    time = cutAt + 4 * HOUR_MS - 1000
    const late = await address(world.device)
    assert.equal(await ranged(late), 206)
    time = cutAt + 4 * HOUR_MS + 1000
    assert.equal((await urls(world.device)).status, 503)
    assert.equal(await ranged(late), 503, 'also at an address that still holds')
    assert.equal(
      (await ask('/v1/policy', { port: ports.device, agent: world.agent(world.device), method: 'POST' })).status,
      503,
    )

    await world.site.connect(ports.link)
    await until(() => world.logged.filter((line) => line.includes('"message":"link.up"')).length === 2, 'the link')
    assert.equal(await ranged(await address(world.device)), 206)
  })
})
