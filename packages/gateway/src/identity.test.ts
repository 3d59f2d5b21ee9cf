/** Who reaches what: every identity that can come to a door, on every route (SEC-01, SEC-02, SEC-58). */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { type DeviceRouteId, devicePath, deviceRoutes, EXPIRED_CERTIFICATE_GRACE_MS } from '@sluice/protocol'
import { bindRoutes } from './device-plane/dispatch.ts'
import { type Credentials, issueDevice, makeAuthority } from './testing/authorities.ts'
import {
  type Answer,
  ask,
  createWorld,
  deviceId,
  hear,
  otherDeviceId,
  otherSiteId,
  siteId,
  until,
  type World,
} from './testing/gateway-world.ts'

const DAY_MS = 24 * 3600_000
const routes = Object.keys(deviceRoutes) as DeviceRouteId[]

type Who =
  | 'nobody'
  | 'otherAuthority'
  | 'selfMade'
  | 'connector'
  | 'otherSite'
  | 'expired'
  | 'longExpired'
  | 'notYet'
  | 'revoked'
  | 'device'

/** What a route of the device listener answers to each, before anything of the route itself. `in`: it is let in. */
const matrix: Record<Who, { device: string; deviceOrExpired: string }> = {
  nobody: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  otherAuthority: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  selfMade: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  connector: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  otherSite: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  expired: { device: 'CERTIFICATE_EXPIRED', deviceOrExpired: 'in' },
  longExpired: { device: 'CERTIFICATE_EXPIRED', deviceOrExpired: 'CERTIFICATE_EXPIRED' },
  notYet: { device: 'NOT_AUTHENTICATED', deviceOrExpired: 'NOT_AUTHENTICATED' },
  revoked: { device: 'CERTIFICATE_REVOKED', deviceOrExpired: 'CERTIFICATE_REVOKED' },
  device: { device: 'in', deviceOrExpired: 'in' },
}

describe('identity on the device listener', () => {
  let world: World
  let ports: { enrolment: number; device: number }
  const credentials = {} as Record<Who, Credentials | undefined>

  before(async () => {
    world = await createWorld()
    const { authority } = world
    const now = Date.now()
    credentials.nobody = undefined
    credentials.otherAuthority = await issueDevice(authority.other, siteId, deviceId)
    credentials.connector = await authority.link.issue(`urn:sluice:${siteId}:device:${deviceId}`)
    credentials.otherSite = await issueDevice(authority.device, otherSiteId, deviceId)
    credentials.expired = await issueDevice(authority.device, siteId, deviceId, { issuedAt: now - 31 * DAY_MS })
    credentials.longExpired = await issueDevice(authority.device, siteId, deviceId, {
      issuedAt: now - EXPIRED_CERTIFICATE_GRACE_MS - 31 * DAY_MS,
    })
    credentials.notYet = await issueDevice(authority.device, siteId, deviceId, { issuedAt: now + DAY_MS })
    credentials.revoked = await issueDevice(authority.device, siteId, otherDeviceId)
    credentials.device = world.device
    credentials.selfMade = await issueDevice(await makeAuthority(world.folder, 'self', 'clientAuth'), siteId, deviceId)
    world.site.configuration.revokedCertificates.push(credentials.revoked.hash)
    ports = (await world.startLinked()).ports
  })
  after(() => world.close())

  const call = (port: number, id: DeviceRouteId, who: Credentials | undefined): Promise<Answer> =>
    ask(devicePath(id, { file: '1.root.json', sha256: 'a'.repeat(64), kind: 'pack', hash: 'b'.repeat(64) }), {
      port,
      agent: world.agent(who),
      method: deviceRoutes[id].method,
    })

  for (const who of Object.keys(matrix) as Who[])
    test(`${who} gets from every route what the matrix says`, async () => {
      for (const id of routes) {
        const { identity } = deviceRoutes[id]
        if (id === 'notify' && matrix[who].device === 'in') {
          // Its answer has no end.
          const heard = await hear(ports.device, world.agent(credentials[who]))
          assert.equal(heard.status, 200)
          heard.close()
          continue
        }
        const answer = await call(ports.device, id, credentials[who])
        const wanted = matrix[who][identity === 'deviceOrExpired' ? 'deviceOrExpired' : 'device']
        // Whoever is let in still finds no anonymous route here, and needs signed addresses and tokens.
        if (wanted === 'in') {
          if (identity === 'anonymous') assert.equal(answer.json().code, 'NOT_FOUND', id)
          else if (id === 'object') assert.equal(answer.json().code, 'SIGNED_URL_REFUSED')
          else if (id === 'contentUrls') assert.equal(answer.json().code, 'BAD_REQUEST')
          else assert.equal(answer.status, 200, id)
        } else assert.equal(answer.json().code, wanted, id)
      }
    })

  test('who has not proved anything gets one and the same answer, whatever the path', async () => {
    const agent = world.agent()
    const seen = new Set<string>()
    for (const path of ['/', '/v1/policy', '/v1/health', '/v1/enrol', '/admin', '/v1/%2e%2e/x', '/v1/policy?x=1'])
      for (const method of ['GET', 'POST', 'DELETE']) {
        const { status, headers, body } = await ask(path, { port: ports.device, agent, method })
        const { date: _, ...rest } = headers
        seen.add(JSON.stringify([status, rest, body.toString()]))
      }
    assert.equal(seen.size, 1, [...seen].join('\n'))
  })

  test('the enrolment listener knows health and enrolment, and nothing else, whoever asks', async () => {
    for (const who of [undefined, credentials.device])
      for (const id of routes) {
        const answer = await call(ports.enrolment, id, who)
        if (deviceRoutes[id].identity === 'anonymous') assert.equal(answer.status, 200, id)
        else assert.equal(answer.json().code, 'NOT_FOUND', id)
      }
    const enrolled = world.site.relayed.findLast(({ routeId }) => routeId === 'enrol')
    assert.equal(enrolled?.caller.identity, 'anonymous')
  })

  test('what the site is told of an expired certificate says so', async () => {
    await call(ports.device, 'renew', credentials.expired)
    const { caller } = world.site.relayed.at(-1) ?? {}
    assert.equal(caller?.identity === 'device' && caller.expired, true)
  })

  test('a revocation cuts the connection at once, and the certificate stays out', async () => {
    const lost = await issueDevice(world.authority.device, siteId, otherDeviceId)
    const agent = world.agent(lost)
    assert.equal((await ask('/v1/policy', { port: ports.device, agent, method: 'POST' })).status, 200)
    const [socket] = Object.values(agent.freeSockets).flatMap((list) => list ?? [])
    assert.ok(socket)
    const closed = once(socket, 'close')
    world.site.say({ kind: 'revoked', certificates: [lost.hash] })
    await closed
    const answer = await ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    assert.equal(answer.json().code, 'CERTIFICATE_REVOKED')
  })

  test('however a path is written, nobody without a certificate gets anything but health (SEC-02)', async () => {
    const known = routes.map((id) =>
      devicePath(id, { file: '1.root.json', sha256: 'a'.repeat(64), kind: 'pack', hash: 'b'.repeat(64) }),
    )
    const disguises = [
      (path: string) => path.toUpperCase(),
      (path: string) => `${path}/`,
      (path: string) => `${path}.`,
      (path: string) => `/.${path}`,
      (path: string) => `/x/..${path}`,
      (path: string) => path.replace('/v1/', '/v1//'),
      (path: string) => path.replace('v1', '%76%31'),
      (path: string) => `${path}%00`,
      (path: string) => `${path};a=b`,
      (path: string) => `${path}?a=b`,
      (path: string) => path.replaceAll('/', '%2f').replace('%2f', '/'),
      (path: string) => path.replaceAll('/', '\\').replace('\\', '/'),
      (path: string) => `/data${path}`,
      () => '/objects/packs',
      () => '/link/events',
    ]
    const open = new Set([devicePath('health'), `${devicePath('health')}?a=b`])
    for (const port of [ports.device, ports.enrolment]) {
      const agent = world.agent()
      for (const path of [...known, ...known.flatMap((one) => disguises.map((disguise) => disguise(one)))]) {
        const { status } = await ask(path, { port, agent, method: 'GET' })
        const wanted = port === ports.enrolment && open.has(path)
        assert.equal(status >= 200 && status < 300, wanted, `${path}: ${status}`)
      }
    }
  })

  test('suites without authenticated encryption are not spoken', async () => {
    const attempt = (ciphers: string) =>
      new Promise<string>((resolve) => {
        const socket = connect({
          port: ports.device,
          host: '127.0.0.1',
          ca: world.authority.gateway.certificate,
          ciphers,
          maxVersion: 'TLSv1.2',
        })
        socket.once('secureConnect', () => {
          resolve(socket.getCipher().name)
          socket.destroy()
        })
        socket.once('error', () => resolve('refused'))
      })
    assert.equal(await attempt('ECDHE-ECDSA-AES128-SHA256'), 'refused')
    assert.equal(await attempt('ECDHE-ECDSA-AES128-GCM-SHA256'), 'ECDHE-ECDSA-AES128-GCM-SHA256')
  })

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
    test(`a session is not resumed (${version})`, async () => {
      const options = {
        port: ports.device,
        host: '127.0.0.1',
        ca: world.authority.gateway.certificate,
        cert: world.device.cert,
        key: world.device.key,
        minVersion: version,
        maxVersion: version,
      }
      const first = connect(options)
      let session: Buffer | undefined
      first.on('session', (found) => {
        session = found
      })
      assert.deepEqual(await talk(first), { reused: false, admitted: true })
      await until(() => session !== undefined, 'a session')
      const second = connect({ ...options, session })
      assert.deepEqual(await talk(second), { reused: false, admitted: true })
    })
})

test('a certificate that expires while its connection lives ends what it may do', async () => {
  let time = Date.now()
  const world = await createWorld({ now: () => time })
  try {
    const { ports } = await world.startLinked()
    const agent = world.agent(world.device)
    const poll = () => ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    assert.equal((await poll()).status, 200)
    time += 31 * DAY_MS
    assert.equal((await poll()).json().code, 'CERTIFICATE_EXPIRED')
  } finally {
    await world.close()
  }
})

test('one address does not get more connections than allowed, and gets them back', async () => {
  const world = await createWorld()
  try {
    const { ports } = await world.startLinked({ limits: { connectionsPerAddress: 2 } })
    const poll = (agent = world.agent(world.device)) => ask('/v1/policy', { port: ports.device, agent, method: 'POST' })
    const first = world.agent(world.device)
    assert.equal((await poll(first)).status, 200)
    assert.equal((await poll()).status, 200)
    await assert.rejects(poll())
    first.destroy()
    let status = 0
    while (status !== 200)
      status = await poll().then(
        (answer) => answer.status,
        () => 0,
      )
  } finally {
    await world.close()
  }
})

test('nobody is admitted before the site was ever heard of', async () => {
  const world = await createWorld()
  try {
    const { ports } = await world.start()
    const answer = await ask('/v1/policy', { port: ports.device, agent: world.agent(world.device), method: 'POST' })
    assert.equal(answer.json().code, 'SITE_UNREACHABLE')
    assert.ok(Number(answer.headers['retry-after']) > 0)
  } finally {
    await world.close()
  }
})

test('a route that nobody answers keeps the gateway from starting', () => {
  const handler = async () => {}
  const all = Object.fromEntries(routes.map((id) => [id, handler]))
  assert.equal(bindRoutes(all).size, routes.length)
  const { policy: _, ...rest } = all
  assert.throws(() => bindRoutes(rest), /route policy has nobody to answer it/)
  assert.throws(() => bindRoutes({ ...all, backDoor: handler }), /backDoor is no route/)
  const undeclared = { ...deviceRoutes.status, identity: undefined } as unknown as typeof deviceRoutes.status
  assert.throws(() => bindRoutes({ status: handler }, { status: undeclared }), /does not say who may call it/)
})

async function talk(socket: TLSSocket): Promise<{ reused: boolean; admitted: boolean }> {
  await once(socket, 'secureConnect')
  const reused = socket.isSessionReused()
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString()
  })
  socket.write('POST /v1/policy HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
  await once(socket, 'close')
  return { reused, admitted: answer.startsWith('HTTP/1.1 200 ') }
}
