/** A real gateway, and each hop to it broken in turn: the fault is named, and nothing else. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createPlain } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { after, afterEach, before, describe, test } from 'node:test'
import { createServer as createTls } from 'node:tls'
import { type CloudPointId, type ContentId, gatewayUri, problem } from '@sluice/protocol'
import { startTestProxy } from '../../../agent/src/testing/test-proxy.ts'
import { type Credentials, issueDevice, makeAuthority } from '../../../gateway/src/testing/authorities.ts'
import {
  createWorld,
  deviceId,
  gatewayId,
  otherDeviceId,
  siteId,
  type World,
} from '../../../gateway/src/testing/gateway-world.ts'
import { checkGateway, type GatewayCheck } from './check-gateway.ts'
import { type Hop, hopLines } from './hop.ts'

const DAY_MS = 24 * 3600_000
const PAGE = Buffer.alloc(3_000, 'p')
const storage = { pointId: 'dp_0123456789' as CloudPointId, name: 'Away' }

describe('the way to a gateway', () => {
  let world: World
  let url = ''
  let contentId: ContentId
  let layout: { hash: string; sizeBytes: number }
  let points: (typeof storage)[] = []
  const servers = new Set<Server>()
  const sockets = new Set<Socket>()

  before(async () => {
    world = await createWorld()
    const added = world.addContent({ kind: 'page', bytes: PAGE })
    contentId = added.contentId
    const [object] = added.objects
    assert.ok(object)
    layout = object
    world.site.configuration.distributionPoints.push({
      ...storage,
      access: {
        kind: 's3',
        // Port 1 of this machine: nobody is there.
        ...{ endpoint: 'https://127.0.0.1:1', region: 'here', bucket: 'packs', addressing: 'path', prefix: '' },
        credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      },
    })
    for (const { content } of world.site.contents) content.points.push(storage.pointId)
    // What a site answers to what the check asks of it.
    world.site.onRelay = async ({ routeId }) => {
      const refused = problem('BAD_REQUEST', 'The body is malformed.')
      if (routeId === 'enrol') return { status: 400, contentType: 'application/json', body: json(refused) }
      if (routeId !== 'contentToken') return { status: 200, contentType: 'application/json', body: json({}) }
      const grant = { contentId, packageId: 'ABC00001', sealedKey: '', layout, storedBytes: PAGE.length, points }
      const sources = [{ gatewayId, name: 'Edge', url }]
      const token = await world.token([contentId])
      const body = { token, expiresAt: new Date().toISOString(), grants: [{ ...grant, sources }], refused: [] }
      return { status: 200, contentType: 'application/json', body: json(body) }
    }
    const { ports } = await world.startLinked({ listeners: { shared: { host: '127.0.0.1', port: 0 } } })
    url = `https://127.0.0.1:${ports.device}`
    await world.reported(contentId, 'present')
  })
  after(() => world.close())
  afterEach(async () => {
    points = []
    for (const socket of sockets) socket.destroy()
    for (const server of servers) await once(server.close(), 'close')
    sockets.clear()
    servers.clear()
  })

  const look = async (change: Partial<GatewayCheck> = {}): Promise<Hop[]> => {
    const at = change.deviceUrl ?? url
    const hops: Hop[] = []
    for await (const hop of checkGateway({
      ...{ deviceUrl: at, enrolmentUrl: at, authorities: [world.authority.gateway.certificate] },
      ...{ contents: [contentId], holdMs: 50, now: Date.now, signal: AbortSignal.timeout(120_000) },
      ...change,
    }))
      hops.push(hop)
    return hops
  }
  const asDevice = ({ cert, key }: Credentials = world.device) => ({ credentials: { certificate: cert, key } })
  const faults = (hops: Hop[]) =>
    hops.flatMap((one) => (one.outcome === 'failed' ? [`${one.hop}: ${one.problem.code}`] : []))
  const passed = (hops: Hop[]) => hops.filter(({ outcome }) => outcome === 'passed').map(({ hop }) => hop)

  /** What the site said arrives a moment later. */
  async function finds(change: Partial<GatewayCheck>, fault: string): Promise<void> {
    await until(async () => faults(await look(change)).includes(fault))
  }
  async function until(condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + 120_000
    while (!(await condition())) assert.ok(performance.now() < end, 'it did not come to that')
  }
  /** Something else at an address, on a free port of this machine. */
  async function listening(server: Server): Promise<string> {
    server.on('connection', (socket) => sockets.add(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    servers.add(server)
    return `https://127.0.0.1:${(server.address() as { port: number }).port}`
  }
  /** Something with a certificate that says it is there, and no gateway. */
  const imitation = (credentials: Credentials, answer: (request: string) => string) =>
    listening(
      createTls({ cert: credentials.cert, key: credentials.key }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', (request) => socket.end(answer(request.toString())))
      }),
    )
  const saying = (body: string, more = '') =>
    `HTTP/1.1 200 OK\r\n${more}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`

  test('with the certificate of a device every hop is gone, to the bytes', async () => {
    const hops = await look(asDevice())
    assert.deepEqual(faults(hops), [], hops.flatMap(hopLines).join('\n'))
    assert.deepEqual(passed(hops), [
      ...['Name', 'Port', 'TLS', 'Old TLS', 'Certificate', 'Gateway', 'Clock', 'Strangers', 'Site'],
      ...['Device certificate', 'Policy', 'Content location', 'Content here', 'Quiet connection'],
    ])
    const lines = hops.flatMap(hopLines)
    assert.ok(lines.includes('✓ Old TLS: TLS 1.0 and 1.1 are refused'), lines.join('\n'))
  })

  test('without one, everything that a stranger can see', async () => {
    const hops = await look()
    assert.deepEqual(faults(hops), [])
    assert.match(hops.flatMap(hopLines).join('\n'), /- Device certificate: no certificate of a device was given/)
  })

  test('nothing of it reaches the site but the question whether it is there, and no policy is asked for', async () => {
    world.site.relayed.length = 0
    await look(asDevice())
    assert.deepEqual(
      world.site.relayed.map(({ routeId }) => routeId),
      ['enrol', 'catalogueMetadata', 'contentToken'],
    )
  })

  test('a name that leads nowhere, a port where nobody is', async () => {
    assert.deepEqual(faults(await look({ deviceUrl: 'https://gateway.invalid' })), ['Name: GATEWAY_NAME_UNKNOWN'])
    assert.deepEqual(faults(await look({ deviceUrl: 'https://127.0.0.1:1' })), ['Port: GATEWAY_PORT_CLOSED'])
  })

  test('something that speaks no TLS', async () => {
    const plain = await listening(
      createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 Bad Request\r\n\r\n')),
    )
    assert.deepEqual(faults(await look({ deviceUrl: plain })), ['TLS: TLS_REFUSED'])
  })

  test('a certificate for another name, of another authority, and one that has ended', async () => {
    const { gateway } = world.authority
    const uri = gatewayUri(siteId, gatewayId)
    const health = () => saying('{"ok":true}')
    const stranger = await imitation(
      await (await makeAuthority(world.folder, 'rogue', 'serverAuth')).issue(uri),
      health,
    )
    assert.ok(faults(await look({ deviceUrl: stranger })).includes('Certificate: GATEWAY_CERTIFICATE_UNTRUSTED'))
    const ended = await imitation(await gateway.issue(uri, { issuedAt: Date.now() - 31 * DAY_MS }), health)
    const found = await look({ deviceUrl: ended, ...asDevice() })
    assert.ok(faults(found).includes('Certificate: GATEWAY_CERTIFICATE_EXPIRED'))
    const shown = found.find(({ hop }) => hop === 'Device certificate')
    assert.equal(shown?.outcome, 'skipped', 'the certificate of the device is not shown there')
    const local = url.replace('127.0.0.1', 'localhost')
    assert.ok(faults(await look({ deviceUrl: local })).includes('Certificate: GATEWAY_CERTIFICATE_WRONG_NAME'))
    const soon = await look({ now: () => Date.now() + 28 * DAY_MS })
    assert.ok(soon.some((one) => one.outcome === 'warned' && one.problem.code === 'GATEWAY_CERTIFICATE_ENDS_SOON'))
  })

  test('a clock that is wrong', async () => {
    const hour = 3600_000
    assert.deepEqual(faults(await look({ now: () => Date.now() + hour })), ['Clock: CLOCK_WRONG'])
    const behind = await look({ now: () => Date.now() - hour })
    assert.match(behind.flatMap(hopLines).join('\n'), /This computer is 60 min behind the gateway\. \(CLOCK_WRONG\)/)
  })

  test('a page of somebody else, old TLS, and a server before the gateway that talks', async () => {
    const page = await imitation(world.server, () => saying('<html>Please sign in</html>'))
    assert.deepEqual(faults(await look({ deviceUrl: page })), ['Gateway: NOT_A_GATEWAY'])
    const talks = await imitation(world.server, () => saying('{"ok":true}'))
    assert.ok(faults(await look({ deviceUrl: talks })).includes('Strangers: GATEWAY_REVEALS'))
    const refusal = JSON.stringify(problem('NOT_AUTHENTICATED', 'x'))
    const via = await imitation(world.server, (request) =>
      request.includes('/v1/health') ? saying('{"ok":true}') : saying(refusal, 'Via: 1.1 cache\r\n'),
    )
    assert.match(
      (await look({ deviceUrl: via })).flatMap(hopLines).join('\n'),
      /headers of others: via\. \(GATEWAY_REVEALS\)/,
    )
    const { cert, key } = world.server
    const old = await listening(
      createTls({ cert, key, minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', () => socket.end(saying('{"ok":true}')))
      }),
    )
    assert.ok(faults(await look({ deviceUrl: old })).includes('Old TLS: TLS_OUTDATED'))
  })

  test('a connection that is cut when it is quiet', async () => {
    // Answers on a connection that it then closes.
    const cuts = await listening(
      createTls({ cert: world.server.cert, key: world.server.key }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', () => {
          socket.write('HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}')
          setTimeout(() => socket.destroy(), 10)
        })
      }),
    )
    assert.ok(faults(await look({ deviceUrl: cuts, holdMs: 300 })).includes('Quiet connection: CONNECTION_CUT'))
  })

  test('a proxy between: with the right password, with a wrong one, and one that is none', async (t) => {
    const { port } = await startTestProxy(t, 'user:pass')
    const hops = await look({ proxyUrl: `http://user:pass@127.0.0.1:${port}`, ...asDevice() })
    assert.deepEqual(faults(hops), [])
    assert.ok(!hops.flatMap(hopLines).join('\n').includes('pass@'))
    const wrong = await look({ proxyUrl: `http://user:word@127.0.0.1:${port}` })
    assert.match(wrong.flatMap(hopLines).join('\n'), /it answers 407\. \(PROXY_REFUSED\)/)
    const refuses = createPlain()
    const none = new URL(await listening(refuses))
    assert.deepEqual(faults(await look({ proxyUrl: `http://${none.host}` })), ['Port: PROXY_REFUSED'])
  })

  test('certificates of devices: of another authority, expired, revoked', async () => {
    const { authority } = world
    const stranger = await issueDevice(authority.other, siteId, deviceId)
    assert.deepEqual(faults(await look(asDevice(stranger))), ['Device certificate: NOT_AUTHENTICATED'])
    const expired = await issueDevice(authority.device, siteId, deviceId, { issuedAt: Date.now() - 31 * DAY_MS })
    assert.deepEqual(faults(await look(asDevice(expired))), ['Device certificate: CERTIFICATE_EXPIRED'])
    const revoked = await issueDevice(authority.device, siteId, otherDeviceId)
    world.site.say({ kind: 'revoked', certificates: [revoked.hash] })
    // The same stream brings both in order.
    await finds({ ...asDevice(revoked), contents: [] }, 'Device certificate: CERTIFICATE_REVOKED')
  })

  test('storage that is away, while the gateway itself has the content', async () => {
    points = [storage]
    const hops = await look(asDevice())
    assert.deepEqual(faults(hops), ['Content at Away: STORAGE_UNAVAILABLE'])
    assert.ok(passed(hops).includes('Content here'))
  })

  test('content switched off, and then the link down', async () => {
    world.site.say({ kind: 'configuration', configuration: { ...world.site.configuration, serveContent: false } })
    await finds(asDevice(), 'Content location: GATEWAY_CONTENT_DISABLED')
    world.site.say({ kind: 'configuration', configuration: world.site.configuration })
    await until(async () => faults(await look(asDevice())).length === 0)
    world.site.cut()
    await finds(asDevice(), 'Site: SITE_UNREACHABLE')
    assert.deepEqual(faults(await look(asDevice())), [
      'Site: SITE_UNREACHABLE',
      'Policy: SITE_UNREACHABLE',
      'Content location: SITE_UNREACHABLE',
    ])
  })
})

const json = (value: unknown) => Buffer.from(JSON.stringify(value))
