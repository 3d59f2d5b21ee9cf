/** The link through a real proxy that wants a name and a password, and through ones that misbehave. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer as createHttpServer } from 'node:http'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { createGateway, joinSite, readGatewayConfig } from '@sluice/gateway'
import { createLog, silentLog } from '@sluice/protocol'
import { openTunnel } from './proxy-tunnel.ts'
import { createLinkedSite, freePort, type LinkedSite, until } from './testing/linked-site.ts'

const CREDENTIALS = 'sluice:s3cret:with colon'

describe('the link through a proxy', () => {
  let site: LinkedSite
  const ending: (() => Promise<unknown>)[] = []
  before(async () => {
    site = await createLinkedSite()
  })
  after(() => site.close())
  afterEach(async () => {
    for (const end of ending.splice(0).reverse()) await end()
  })

  async function startProxy(): Promise<{ port: number; targets: string[]; refused: number }> {
    const proxy = { port: 0, targets: [] as string[], refused: 0 }
    const sockets = new Set<Socket>()
    const server = createHttpServer()
    server.on('connect', (request, socket: Socket, head) => {
      sockets.add(socket)
      socket.on('error', () => {})
      const given = Buffer.from(
        String(request.headers['proxy-authorization']).slice('Basic '.length),
        'base64',
      ).toString()
      if (given !== CREDENTIALS) {
        proxy.refused++
        return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n')
      }
      const target = request.url ?? ''
      proxy.targets.push(target)
      const other = connect({ host: '127.0.0.1', port: Number(target.split(':')[1]) }, () => {
        socket.write('HTTP/1.1 200 OK\r\nX-Proxy: yes\r\n\r\n')
        other.write(head)
        other.pipe(socket).pipe(other)
      })
      other.on('error', () => socket.destroy())
      socket.on('close', () => other.destroy())
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy.port = (server.address() as { port: number }).port
    ending.push(async () => {
      for (const socket of sockets) socket.destroy()
      await once(server.close(), 'close')
    })
    return proxy
  }

  const through = (port: number, credentials: string) => async () => ({ host: '127.0.0.1', port, credentials })

  test('joins and links; the proxy sees where to, and the log sees no password', async () => {
    const proxy = await startProxy()
    const said: string[] = []
    const log = createLog((line) => said.push(line))
    const port = await freePort()
    const url = `https://gateway.example:${port}`
    const { code, gatewayId } = await site.gateways.create({
      ...{ name: 'Far', kind: 'internet', deviceUrl: url, enrolmentUrl: url, linkAddress: `gateway.example:${port}` },
      serveContent: true,
    })
    const wrong = site.connector({ proxy: through(proxy.port, 'sluice:wrong'), log })
    await wrong.start()
    const info = async () => (await site.gateways.infos()).find(({ id }) => id === gatewayId)
    await until(async () => {
      const link = (await info())?.link
      return link?.state === 'down' && (link.problem?.detail.includes('answered 407') ?? false)
    }, 'the refusal of the proxy')
    await wrong.stop()
    assert.ok(proxy.refused > 0)

    const right = site.connector({ proxy: through(proxy.port, CREDENTIALS), log })
    await right.start()
    ending.push(() => right.stop())
    const folder = join(site.folder, 'far')
    const signal = AbortSignal.timeout(120_000)
    const joined = await joinSite({ code, folder, host: '127.0.0.1', log: silentLog, signal })
    assert.ok(joined.ok)
    const read = await readGatewayConfig(joined.value)
    assert.ok(read.ok)
    const gateway = await createGateway({ ...read.value, log: silentLog })
    assert.ok(gateway.ok)
    ending.push(gateway.value.stop)
    await until(async () => (await info())?.link.state === 'up', 'the link')
    assert.ok(proxy.targets.length >= 3)
    assert.deepEqual([...new Set(proxy.targets)], [`gateway.example:${port}`])
    const encoded = Buffer.from(CREDENTIALS).toString('base64')
    for (const secret of ['s3cret', 'sluice:wrong', encoded]) assert.ok(!said.join().includes(secret), secret)
  })

  async function misbehaving(answer: string): Promise<Server> {
    const server = createServer((socket) => {
      socket.on('error', () => {})
      socket.once('data', () => (answer === '' ? socket.end() : socket.write(answer)))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    ending.push(async () => {
      await once(server.close(), 'close')
    })
    return server
  }
  for (const [what, answer, why] of [
    ['is none', 'SSH-2.0-x\r\n\r\n', /does not speak HTTP/],
    ['answers without end', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(5_000)}`, /does not speak HTTP/],
    ['hangs up', '', /closed the connection/],
    ['forbids', 'HTTP/1.1 403 Forbidden\r\n\r\n', /answered 403/],
  ] as const)
    test(`a proxy that ${what} is told as such`, async () => {
      const { port } = (await misbehaving(answer)).address() as { port: number }
      const opening = openTunnel({ host: '127.0.0.1', port }, 'gateway.example:443', AbortSignal.timeout(120_000))
      await assert.rejects(opening, why)
    })

  test('what follows the answer of the proxy in the same piece is not lost', async () => {
    const { port } = (await misbehaving('HTTP/1.0 200 OK\r\n\r\nhello')).address() as { port: number }
    const socket = await openTunnel({ host: '127.0.0.1', port }, 'a:1', AbortSignal.timeout(120_000))
    const [first] = (await once(socket, 'data')) as [Buffer]
    assert.equal(first.toString(), 'hello')
    socket.destroy()
  })
})
