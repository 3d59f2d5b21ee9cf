import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface FragileLine {
  port: number
  /** Bytes sent towards the server since the last call. */
  sentBytes(): number
  /** Cuts every connection, now and later, once this many more bytes were sent towards the server. */
  breakAfter(bytes: number): void
  mend(): void
  close(): Promise<void>
}

/** A line to a port of this machine that can go down. */
export async function openFragileLine(toPort: number): Promise<FragileLine> {
  const sockets = new Set<Socket>()
  let sent = 0
  let left = Number.POSITIVE_INFINITY
  const server = createServer((near) => {
    const far = connect(toPort, '127.0.0.1')
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.on('close', () => {
        sockets.delete(socket)
        near.destroy()
        far.destroy()
      })
      socket.on('error', () => undefined)
    }
    if (left <= 0) return void near.destroy()
    far.pipe(near)
    near.on('data', (bytes) => {
      sent += bytes.length
      left -= bytes.length
      if (left <= 0) for (const socket of sockets) socket.destroy()
      else if (!far.write(bytes)) {
        near.pause()
        far.once('drain', () => near.resume())
      }
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as { port: number }).port,
    sentBytes() {
      const bytes = sent
      sent = 0
      return bytes
    },
    breakAfter(bytes) {
      left = bytes
    },
    mend() {
      left = Number.POSITIVE_INFINITY
    },
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
