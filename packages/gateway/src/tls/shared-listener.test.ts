/** One port for all: each connection finds its listener by server name, and keeps that listener's rules. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectPlain } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { connectorUri, ENROLMENT_SERVER_NAME, LINK_CONTROL, LINK_SERVER_NAME } from '@sluice/protocol'
import { ask, createWorld, siteId, until, type World } from '../testing/gateway-world.ts'

describe('one port', () => {
  let world: World
  let port: number
  before(async () => {
    world = await createWorld()
    const gateway = await world.startLinked(
      { listeners: { shared: { host: '127.0.0.1', port: 0 } }, limits: { connections: 40 } },
      { handshakeTimeoutMs: 1_000, checkIntervalMs: 100, headersTimeoutMs: 1_000 },
    )
    port = gateway.ports.device
    assert.deepEqual(gateway.ports, { enrolment: port, device: port, link: port })
  })
  after(() => world.close())

  const open = (options: ConnectionOptions): TLSSocket => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      ca: world.authority.gateway.certificate,
      checkServerIdentity: () => undefined,
      ...options,
    })
    socket.on('error', () => {})
    return socket
  }
  async function say(options: ConnectionOptions, text: string): Promise<string> {
    const socket = open(options)
    let answer = ''
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString()
    })
    await once(socket, 'secureConnect')
    socket.write(text)
    await once(socket, 'close')
    return answer
  }
  const health = 'GET /v1/health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
  const poll = 'POST /v1/policy HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'
  const ofDevice = () => ({ cert: world.device.cert, key: world.device.key })

  test('the site links, a device polls, a stranger enrols', async () => {
    assert.match(await say(ofDevice(), poll), /^HTTP\/1\.1 200 /)
    assert.match(await say({ ...ofDevice(), servername: 'gateway.example' }, poll), /^HTTP\/1\.1 200 /)
    assert.match(await say({ servername: ENROLMENT_SERVER_NAME }, health), /^HTTP\/1\.1 200 /)
    assert.equal((await ask('/v1/policy', { port, agent: world.agent(world.device), method: 'POST' })).status, 200)
  })

  test('each name opens its own listener only', async () => {
    assert.match(await say({}, health), /NOT_AUTHENTICATED/)
    assert.match(await say(ofDevice(), health), /NOT_FOUND/)
    assert.match(await say({ ...ofDevice(), servername: ENROLMENT_SERVER_NAME }, poll), /NOT_FOUND/)
    assert.match(await say({ servername: `${ENROLMENT_SERVER_NAME}.` }, health), /NOT_AUTHENTICATED/)
    const linked = world.logged.filter((line) => line.includes('link.connected')).length
    const link = { servername: LINK_SERVER_NAME, ALPNProtocols: [LINK_CONTROL] }
    for (const credentials of [{}, ofDevice()]) {
      const socket = open({ ...link, ...credentials })
      await new Promise((resolve) => socket.once('close', resolve))
    }
    const connector = await world.authority.link.issue(connectorUri(siteId))
    // The right certificate at the wrong listener is nobody's.
    assert.match(await say({ cert: connector.cert, key: connector.key }, poll), /NOT_AUTHENTICATED/)
    assert.equal(world.logged.filter((line) => line.includes('link.connected')).length, linked)
  })

  test('who says nothing, says it slowly, or is no TLS is dropped; slow headers as well', async () => {
    const silent = connectPlain({ host: '127.0.0.1', port })
    await once(silent, 'close')
    const half = connectPlain({ host: '127.0.0.1', port })
    half.write(Buffer.from([22, 3, 1, 2, 0, 1]))
    await once(half, 'close')
    const other = connectPlain({ host: '127.0.0.1', port })
    other.on('error', () => {})
    other.write('GET / HTTP/1.1\r\n\r\n')
    await once(other, 'close')
    assert.doesNotMatch(await say(ofDevice(), 'POST /v1/policy HTTP/1.1\r\n'), /^HTTP\/1\.1 [123]/)
  })

  test('there are no more connections than allowed, and all end with the gateway', async () => {
    const sockets = Array.from({ length: 60 }, () => open(ofDevice()))
    await until(() => sockets.filter(({ destroyed }) => destroyed).length >= 20, 'the refusal of those beyond')
    await world.stop()
    await until(() => sockets.every(({ destroyed }) => destroyed), 'the end of all')
    await assert.rejects(once(connectPlain({ host: '127.0.0.1', port }), 'connect'))
  })
})
