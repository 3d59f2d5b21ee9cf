/**
 * Distance between two ends, as a program: a TCP relay on loopback whose bytes arrive later, and no faster than the
 * line carries them. A process of its own, so that what it costs is nobody's figure.
 *
 *     distance.ts TO_PORT DELAY_MS BYTES_PER_SECOND   prints its port
 */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** What may be on the way at once in one direction of a connection; beyond that, the sender waits. */
const ON_THE_WAY_BYTES = 64 * 1024 * 1024

const [toPort, delayMs, bytesPerSecond] = process.argv.slice(2).map(Number)
if (toPort === undefined || delayMs === undefined || bytesPerSecond === undefined) throw new Error('three numbers')

/** When each direction of the line has carried all that was given to it. */
const freeAt = { there: 0, back: 0 }

function carry(from: Socket, to: Socket, direction: 'there' | 'back', delay: number, rate: number): void {
  const underWay: { piece: Buffer; dueAt: number }[] = []
  let bytes = 0
  let ended = false
  let awaited = false
  const deliverIn = (ms: number) => {
    if (awaited) return
    awaited = true
    setTimeout(deliver, ms)
  }
  const deliver = () => {
    awaited = false
    const now = performance.now()
    for (let next = underWay[0]; next !== undefined && next.dueAt <= now; next = underWay[0]) {
      underWay.shift()
      bytes -= next.piece.length
      to.write(next.piece)
    }
    if (bytes < ON_THE_WAY_BYTES) from.resume()
    const [first] = underWay
    if (first !== undefined) deliverIn(Math.max(0, first.dueAt - now))
    else if (ended) to.end()
  }
  from.on('data', (piece: Buffer) => {
    const now = performance.now()
    freeAt[direction] = Math.max(now, freeAt[direction]) + (piece.length * 1000) / rate
    underWay.push({ piece, dueAt: freeAt[direction] + delay })
    bytes += piece.length
    if (bytes >= ON_THE_WAY_BYTES) from.pause()
    deliverIn(delay)
  })
  from.once('end', () => {
    ended = true
    deliverIn(delay)
  })
  from.on('error', () => to.destroy())
  from.once('close', () => {
    if (!ended) to.destroy()
  })
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ port: toPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  carry(near, far, 'there', delayMs, bytesPerSecond)
  carry(far, near, 'back', delayMs, bytesPerSecond)
})
await once(server.listen(0, '127.0.0.1'), 'listening')
process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
process.once('disconnect', () => process.exit())
