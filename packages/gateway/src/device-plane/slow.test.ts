/**
 * Two thousand who are slow on purpose (SEC-53): in the handshake, in their headers, in their bodies, in
 * reading, and in saying nothing at all. Others are served as before, and the slow are dropped.
 */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { Agent } from 'node:https'
import { connect as connectPlain, type Socket } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { connect } from 'node:tls'
import { managementRoutes } from '../management.ts'
import type { Credentials } from '../testing/authorities.ts'
import { ask, createWorld, until, type World } from '../testing/gateway-world.ts'

/** Two thousand together. Who does not read takes the bytes of a whole answer first, so they are fewer here. */
const numbers: Record<string, number> = {
  'begins no handshake': 525,
  'sends a header now and then': 475,
  'sends a byte of its body now and then': 475,
  'says nothing': 500,
  'does not read its answer': 25,
}

/** Connections of those who ask and listen. */
const SERVED_WELL = 2
/** Far more than the operating systems of both sides hold for a connection. */
const ANSWER_BYTES = 16 * 1024 * 1024
const HEAD = 'POST /v1/policy HTTP/1.1\r\nHost: a\r\n'

describe('slow connections', () => {
  let world: World
  let port: number
  let figures: string
  before(async () => {
    world = await createWorld()
    // Shorter than in life, so that a test can wait for them, and long enough for an honest one on a busy machine.
    const bounds = {
      headersTimeoutMs: 12_000,
      requestTimeoutMs: 60_000,
      idleTimeoutMs: 14_000,
      handshakeTimeoutMs: 12_000,
      checkIntervalMs: 250,
      slowGraceMs: 8_000,
      leastBodyRate: 100_000,
      leastReadRate: 10_000_000,
    }
    const management = { host: '127.0.0.1', port: 0 }
    const { ports } = await world.startLinked({ limits: { relaysPerDevice: 1_000 }, management }, bounds)
    port = ports.device
    figures = `http://127.0.0.1:${ports.management}${managementRoutes.metrics.path}`
    const page = Buffer.alloc(ANSWER_BYTES)
    world.site.onRelay = async ({ routeId, body }) => ({
      status: 200,
      contentType: 'application/json',
      body: routeId === 'policy' && body.toString() === 'all' ? page : Buffer.from('{}'),
    })
  })
  after(() => world.close())

  /** Most need no certificate to be a burden. */
  async function open(credentials: Partial<Pick<Credentials, 'cert' | 'key'>> = {}): Promise<Socket> {
    const { cert, key } = credentials
    const socket = connect({ host: '127.0.0.1', port, ca: world.authority.gateway.certificate, cert, key })
    socket.on('error', () => {})
    await once(socket, 'secureConnect')
    return socket
  }

  /** Makes one that stays, and whatever keeps it going. */
  const kinds: Record<string, () => Promise<Socket>> = {
    async 'begins no handshake'() {
      const socket = connectPlain({ host: '127.0.0.1', port })
      socket.on('error', () => {})
      await once(socket, 'connect')
      return socket
    },
    async 'sends a header now and then'() {
      const socket = await open()
      socket.write(HEAD)
      drip(socket, 'X: y\r\n')
      return socket
    },
    async 'sends a byte of its body now and then'() {
      const socket = await open(world.device)
      socket.write(`${HEAD}Content-Length: 60000\r\n\r\n`)
      drip(socket, 'x')
      return socket
    },
    'says nothing': () => open(),
    async 'does not read its answer'() {
      const socket = await open(world.device)
      socket.pause()
      socket.write(`${HEAD}Content-Length: 3\r\n\r\nall`)
      return socket
    },
  }

  function drip(socket: Socket, text: string): void {
    const timer = setInterval(() => socket.write(text), 1_000)
    socket.once('close', () => clearInterval(timer))
  }

  /**
   * One good request. On a machine that is so busy that the two ends of the link miss their pings, the link
   * comes back, as in life; that is not what is looked at here.
   */
  async function serve(agent: Agent): Promise<void> {
    for (let tries = 0; tries < 5; tries++) {
      const answer = await ask('/v1/policy', { port, agent, method: 'POST', body: '{}' }).catch(() => undefined)
      if (answer?.status === 200) return
      assert.ok(answer === undefined || answer.json().code === 'SITE_UNREACHABLE', answer?.body.toString())
      await world.site.connect(world.ports().link)
    }
    assert.fail('a good request is not served')
  }

  /** Milliseconds of the middle one of many polls on a connection that is kept. */
  async function median(): Promise<number> {
    const agent = world.agent(world.device)
    const times: number[] = []
    for (let i = 0; i < 41; i++) {
      const began = performance.now()
      await serve(agent)
      times.push(performance.now() - began)
    }
    return times.sort((a, b) => a - b)[20] ?? 0
  }

  /** Connections that the gateway has, of whoever. */
  async function connections(): Promise<number> {
    const text = await (await fetch(figures)).text()
    return Number(/^sluice_gateway_connections\{listener="device"\} (\d+)$/m.exec(text)?.[1])
  }

  test('are dropped, each kind, while others are served as before', async () => {
    const alone = await median()
    const opened = new Map<string, Socket[]>()
    for (const [what, make] of Object.entries(kinds)) {
      const sockets: Socket[] = []
      opened.set(what, sockets)
      while (sockets.length < (numbers[what] ?? 0))
        sockets.push(...(await Promise.all(Array.from({ length: 25 }, make))))
    }
    assert.equal([...opened.values()].flat().length, 2_000)
    const beside = await median()
    // Two processors are shared with whoever tests beside this: a quarter of a second is "as before" too.
    assert.ok(beside < Math.max(10 * alone, 250), `${alone} ms alone, ${beside} ms beside the slow`)

    for (const [what, sockets] of opened) {
      if (what === 'does not read its answer') continue
      for (const socket of sockets) socket.resume()
      await until(() => sockets.every(({ closed }) => closed), `the end of who ${what}`, 120_000)
    }
    // Who does not read does not see either that the connection is gone, until it does read: the gateway knows.
    await until(async () => (await connections()) <= SERVED_WELL, 'the end of who does not read', 120_000)
    for (const socket of opened.get('does not read its answer') ?? []) {
      let bytes = 0
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      socket.resume()
      if (!socket.closed) await once(socket, 'close')
      assert.ok(bytes < ANSWER_BYTES, `${bytes} bytes`)
    }
    await serve(world.agent(world.device))
  })
})
