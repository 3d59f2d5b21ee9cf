/**
 * A wire with a rate: a TCP relay on loopback that carries so many bytes a second, both directions
 * of all connections together. It makes a download long enough to be disturbed, on any machine.
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { Transform, type TransformCallback } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface SlowWire {
  port: number
  /** Bytes that went to the side that dialled. */
  carriedBytes(): number
  /** From now on. */
  setRate(bytesPerSecond: number): void
  close(): Promise<void>
}

/** @param toPort where connections lead, on 127.0.0.1 */
export async function startSlowWire(toPort: number, bytesPerSecond: number): Promise<SlowWire> {
  let rate = bytesPerSecond
  let freeAt = 0
  let carried = 0
  const sockets = new Set<Socket>()

  /** Holds each piece back until the wire has had time for it. */
  const throttle = (down: boolean) =>
    new Transform({
      transform(piece: Buffer, _encoding, done: TransformCallback) {
        const now = performance.now()
        freeAt = Math.max(now, freeAt) + (piece.length * 1000) / rate
        setTimeout(() => {
          if (down) carried += piece.length
          done(null, piece)
        }, freeAt - now)
      },
    })

  // Half-open: what is still on the wire when one side has said all arrives all the same.
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ port: toPort, host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [near, far]) {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
    }
    // A side that is gone takes the other with it; what it lost is the business of those who talk.
    const give = () => {
      near.destroy()
      far.destroy()
    }
    pipeline(near, throttle(false), far).catch(give)
    pipeline(far, throttle(true), near).catch(give)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')

  return {
    port: (server.address() as AddressInfo).port,
    carriedBytes: () => carried,
    setRate(next) {
      rate = next
    },
    async close() {
      for (const socket of sockets) socket.destroy()
      await once(server.close(), 'close')
    },
  }
}
