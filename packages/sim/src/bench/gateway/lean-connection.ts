/**
 * One connection of a device to its gateway, as cheap as can be: a load generator on the machine that it measures must
 * take little of it. Speaks just the HTTP/1.1 that a gateway answers with.
 */
import { connect } from 'node:net'
import { type SecureContext, connect as secure } from 'node:tls'

export interface LeanAnswer {
  status: number
  body: Buffer
}

export interface LeanConnection {
  /** One at a time. Rejects when the connection ends before the answer did. */
  ask(method: 'GET' | 'POST', path: string, body?: string): Promise<LeanAnswer>
  /** Asks for what never ends: settles with the status when the head of the answer is there. */
  listen(path: string): Promise<number>
  /** Settles when the connection is gone. */
  readonly closed: Promise<void>
  close(): void
}

const HEAD_END = Buffer.from('\r\n\r\n')

/** @param options.localAddress of the device: gateways bound what comes from one */
export async function openLean(options: {
  host: string
  port: number
  localAddress: string
  context: SecureContext
}): Promise<LeanConnection> {
  const { host, port, localAddress, context: secureContext } = options
  const socket = secure({ host, socket: connect({ host, port, localAddress }), secureContext })
  socket.setNoDelay(true)
  let received: Buffer = Buffer.alloc(0)
  let onHead: ((status: number, length: number) => boolean) | undefined
  let take: ((answer: LeanAnswer) => void) | undefined
  let refuse: ((why: Error) => void) | undefined
  let end = () => {}
  const closed = new Promise<void>((resolve) => {
    end = resolve
  })
  socket.on('error', (why) => refuse?.(why))
  socket.once('close', () => {
    refuse?.(new Error('the gateway closed the connection'))
    end()
  })
  socket.on('data', (piece: Buffer) => {
    if (take === undefined) return // of a request that never ends: that it is there is all that counts
    received = received.length === 0 ? piece : Buffer.concat([received, piece])
    const at = received.indexOf(HEAD_END)
    if (at < 0) return
    const head = received.toString('latin1', 0, at)
    const status = Number(head.slice(9, 12))
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
    if (onHead?.(status, length) === true) return
    const whole = at + 4 + length
    if (received.length < whole) return
    const body = received.subarray(at + 4, whole)
    received = received.subarray(whole)
    const done = take
    take = refuse = undefined
    done({ status, body })
  })
  await new Promise<void>((resolve, reject) => {
    refuse = reject
    socket.once('secureConnect', resolve)
  })
  const send = (method: string, path: string, body = '') =>
    socket.write(
      `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${body === '' ? '' : `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n`}\r\n${body}`,
    )
  const asked = (work: () => void) =>
    new Promise<LeanAnswer>((resolve, reject) => {
      if (socket.destroyed) return reject(new Error('the gateway closed the connection'))
      take = resolve
      refuse = reject
      work()
    })
  return {
    closed,
    close: () => void socket.destroy(),
    ask(method, path, body) {
      onHead = undefined
      return asked(() => send(method, path, body))
    },
    async listen(path) {
      const { status } = await asked(() => {
        onHead = (status) => {
          const done = take
          take = refuse = undefined
          received = Buffer.alloc(0)
          done?.({ status, body: received })
          return true
        }
        send('GET', path)
      })
      return status
    },
  }
}
