import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { connectorUri, LINK_CONTROL } from '@sluice/protocol'
import { type Credentials, issueDevice } from '../testing/authorities.ts'
import {
  ask,
  createWorld,
  deviceId,
  gatewayId,
  otherSiteId,
  siteId,
  until,
  type World,
} from '../testing/gateway-world.ts'

describe('the link', () => {
  let world: World
  let time: number
  beforeEach(async () => {
    time = Date.now()
    world = await createWorld({ now: () => time })
  })
  afterEach(() => world.close())

  const poll = async (port: number) =>
    await ask('/v1/policy', { port, agent: world.agent(world.device), method: 'POST' })

  /** Whether a connection with these credentials is kept; TLS 1.3 lets the client believe so for a moment. */
  async function keepsLink(port: number, credentials: Credentials | undefined, protocol: string): Promise<boolean> {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: world.authority.gateway.certificate,
      ...(credentials === undefined ? {} : { cert: credentials.cert, key: credentials.key }),
      ALPNProtocols: [protocol],
    })
    const ended = new Promise<false>((resolve) => socket.once('close', () => resolve(false)))
    socket.on('error', () => {})
    // The gateway speaks first: the preface of HTTP/2.
    const spoke = once(socket, 'data').then(
      () => true,
      () => false,
    )
    const kept = await Promise.race([ended, spoke])
    socket.destroy()
    return kept
  }

  test('is for the connector of this site only', async () => {
    const { ports } = await world.start()
    const { authority } = world
    const right = await authority.link.issue(connectorUri(siteId))
    assert.equal(await keepsLink(ports.link, right, LINK_CONTROL), true)
    const wrong: Record<string, Credentials | undefined> = {
      'no certificate': undefined,
      'a device': await issueDevice(authority.device, siteId, deviceId),
      'the connector, by the device authority': await authority.device.issue(connectorUri(siteId)),
      'the connector, by another authority': await authority.other.issue(connectorUri(siteId)),
      'the connector of another site': await authority.link.issue(connectorUri(otherSiteId)),
      'something else of the link authority': await authority.link.issue(`urn:sluice:${siteId}:device:${deviceId}`),
      'an expired connector': await authority.link.issue(connectorUri(siteId), { issuedAt: time - 40 * 24 * 3600_000 }),
    }
    for (const [who, credentials] of Object.entries(wrong))
      assert.equal(await keepsLink(ports.link, credentials, LINK_CONTROL), false, who)
    assert.equal(await keepsLink(ports.link, right, 'h2'), false, 'another protocol')
  })

  test('a cut is noticed, and the next connection serves', async () => {
    const { ports } = await world.startLinked()
    for (let i = 1; i <= 3; i++) {
      assert.equal((await poll(ports.device)).status, 200)
      world.site.cut()
      await world.logs('link.ended', 2 * i)
      assert.equal((await poll(ports.device)).json().code, 'SITE_UNREACHABLE')
      await world.site.connect(ports.link)
    }
  })

  test('the newest connection counts, and what is under way on the older one ends well', async () => {
    const { ports } = await world.startLinked()
    const go = Promise.withResolvers<void>()
    const echo = world.site.onRelay
    world.site.onRelay = async (relayed) => {
      await go.promise
      return await echo(relayed)
    }
    const underWay = poll(ports.device)
    await until(() => world.site.relayed.length === 1, 'the request')
    await world.site.connect(ports.link, ['control'])
    await world.logs('link.up', 2)
    go.resolve()
    assert.equal((await underWay).status, 200)
    assert.equal((await poll(ports.device)).status, 200)
  })

  for (const [what, change] of Object.entries({
    'another gateway': { gatewayId: 'gw_9999999999' },
    'another site': { siteId: otherSiteId },
    'an authority that cannot be read': {
      deviceAuthorities: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    },
  }))
    test(`a configuration with ${what} is not taken, and the link is cut`, async () => {
      Object.assign(world.site.configuration, change)
      const { ports } = await world.start()
      await world.site.connect(ports.link, ['control'])
      await world.logs('link.ended')
      assert.equal((await poll(ports.device)).json().code, 'SITE_UNREACHABLE')
    })

  test('a gateway that restarts without a site admits, refuses the revoked, and serves for a while', async () => {
    const { contentId, objects } = world.addContent({ kind: 'page', bytes: Buffer.from('a page') })
    const revoked = await issueDevice(world.authority.device, siteId, deviceId)
    world.site.configuration.unlinkedContentMs = 1000_000
    const before = await world.startLinked()
    await world.reported(contentId, 'present')
    const token = await world.token([contentId])
    const revokedAgent = world.agent(revoked)
    await ask('/v1/policy', { port: before.ports.device, agent: revokedAgent, method: 'POST' })
    world.site.say({ kind: 'revoked', certificates: [revoked.hash] })
    await until(() => Object.values(revokedAgent.freeSockets).flat().length === 0, 'the cut of the revoked device')
    await world.stop()

    const { ports } = await world.start()
    const urls = (credentials: Credentials) =>
      ask('/v1/content/urls', {
        port: ports.device,
        agent: world.agent(credentials),
        method: 'POST',
        body: JSON.stringify({ token, objects: objects.map(({ kind, hash }) => ({ contentId, kind, hash })) }),
      })
    assert.equal((await urls(revoked)).json().code, 'CERTIFICATE_REVOKED')
    const answer = await urls(world.device)
    assert.equal(answer.status, 200, answer.body.toString())
    const [{ url }] = answer.json().objects as [{ url: string }]
    const fetch = () => ask(url.slice(url.indexOf('/v1')), { port: ports.device, agent: world.agent(world.device) })
    assert.equal((await fetch()).body.toString(), 'a page')
    assert.equal((await poll(ports.device)).json().code, 'SITE_UNREACHABLE')

    time += 1000_001
    assert.equal((await urls(world.device)).json().code, 'SITE_UNREACHABLE')
    assert.equal((await fetch()).json().code, 'SIGNED_URL_REFUSED')

    await world.site.connect(ports.link)
    await world.logs('link.up', 2)
    assert.equal((await urls(world.device)).status, 200)
  })

  test('content that is switched off is refused with its own code, and comes back', async () => {
    const { contentId, objects } = world.addContent({ kind: 'page', bytes: Buffer.from('a page') })
    const { ports } = await world.startLinked()
    await world.reported(contentId, 'present')
    const token = await world.token([contentId])
    const urls = async () =>
      await ask('/v1/content/urls', {
        port: ports.device,
        agent: world.agent(world.device),
        method: 'POST',
        body: JSON.stringify({ token, objects: objects.map(({ kind, hash }) => ({ contentId, kind, hash })) }),
      })
    const [{ url }] = (await urls()).json().objects as [{ url: string }]

    const { configuration } = world.site
    world.site.say({ kind: 'configuration', configuration: { ...configuration, serveContent: false } })
    const refusedUrls = async () => (await urls()).json().code === 'GATEWAY_CONTENT_DISABLED'
    while (!(await refusedUrls())) await new Promise((resolve) => setTimeout(resolve, 5))
    const bytes = await ask(url.slice(url.indexOf('/v1')), { port: ports.device, agent: world.agent(world.device) })
    assert.equal(bytes.json().code, 'GATEWAY_CONTENT_DISABLED')
    // Policy and status go on, so that the device can be called back.
    assert.equal((await poll(ports.device)).status, 200)

    world.site.say({ kind: 'configuration', configuration })
    while (await refusedUrls()) await new Promise((resolve) => setTimeout(resolve, 5))
  })

  test('an event that this version does not know is passed over', async () => {
    const { ports } = await world.startLinked()
    world.site.say({ kind: 'somethingNew' } as never)
    await world.logs('link.event-unknown')
    assert.equal((await poll(ports.device)).status, 200)
  })

  test('a bulk transfer does not hold up control requests', async () => {
    const pack = Buffer.alloc(8 * 1024 * 1024, 'p')
    const { contentId } = world.addContent({ kind: 'pack', bytes: pack })
    const held = Promise.withResolvers<void>()
    let streamed = 0
    world.site.onObject = (_name, _start, stream) => {
      stream.respond({ ':status': 200, 'content-length': pack.length })
      // Half of it, then nothing until the test has seen the control connection work.
      stream.write(pack.subarray(0, pack.length / 2), () => {
        streamed++
      })
      void held.promise.then(() => stream.end(pack.subarray(pack.length / 2)))
      return true
    }
    const { ports } = await world.startLinked()
    await until(() => streamed === 1, 'half of the pack')
    for (let i = 0; i < 20; i++) assert.equal((await poll(ports.device)).status, 200)
    assert.equal(
      world.site.contentReports.some(({ state }) => state === 'present'),
      false,
    )
    held.resolve()
    await world.reported(contentId, 'present')
  })

  test(`what is kept is for ${gatewayId} alone`, async () => {
    await world.startLinked()
    await world.stop()
    await world.start({ gatewayId: 'gw_9999999999' })
    await world.logs('configuration.not-taken')
  })
})

test('a gateway that ends waits for nobody who only began to connect', async () => {
  const world = await createWorld()
  try {
    const { ports } = await world.startLinked()
    const silent = Object.values(ports).map((port) => connectPlain({ host: '127.0.0.1', port }))
    for (const socket of silent) socket.on('error', () => {})
    await Promise.all(silent.map((socket) => once(socket, 'connect')))
    const began = performance.now()
    await world.stop()
    // Its drain time is half a second; a handshake would be waited for ten.
    assert.ok(performance.now() - began < 9_500)
    for (const socket of silent) socket.destroy()
  } finally {
    await world.close()
  }
})
