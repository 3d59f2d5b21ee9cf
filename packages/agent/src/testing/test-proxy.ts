/** A small real proxy: CONNECT, with a name and a password. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'

export interface TestProxy {
  port: number
  /** Where it was asked to connect to, with whether it did. */
  asked: { target: string; allowed: boolean }[]
}

/** @param credentials `name:password` that it wants */
export async function startTestProxy(t: TestContext, credentials: string): Promise<TestProxy> {
  const wanted = `Basic ${Buffer.from(credentials).toString('base64')}`
  const asked: TestProxy['asked'] = []
  const sockets = new Set<Socket>()
  const server = createServer()
  server.on('connection', (socket) => sockets.add(socket))
  server.on('connect', (request, socket: Socket, head) => {
    const target = request.url ?? ''
    const allowed = request.headers['proxy-authorization'] === wanted
    asked.push({ target, allowed })
    socket.on('error', () => {})
    if (!allowed) return socket.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n')
    const at = target.lastIndexOf(':')
    const other = connect({ host: target.slice(0, at), port: Number(target.slice(at + 1)) }, () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n')
      if (head.length > 0) other.write(head)
      other.pipe(socket).pipe(other)
    })
    sockets.add(other)
    other.on('error', () => socket.destroy())
    socket.on('close', () => other.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    await once(server.close(), 'close')
  })
  return { port: (server.address() as { port: number }).port, asked }
}
