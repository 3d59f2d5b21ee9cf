/** A connection through an HTTP proxy: CONNECT, with a name and a password where the proxy wants them (RFC 9110 §9.3.6). */
import { connect, type Socket } from 'node:net'

/** Largest answer of a proxy. */
const MAX_ANSWER_BYTES = 16 * 1024

export interface LinkProxy {
  host: string
  port: number
  /** `name:password`; never logged. */
  credentials?: string | undefined
}

/**
 * Opens it. The proxy sees the name of the other side and nothing else.
 * @param target `host:port`, an IPv6 address in brackets
 * @throws Error that says what the proxy answered
 */
export function openTunnel(proxy: LinkProxy, target: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: proxy.host, port: proxy.port })
    const at = `proxy ${proxy.host}:${proxy.port}`
    let answer = Buffer.alloc(0)
    const end = (cause?: Error) => {
      signal.removeEventListener('abort', giveUp)
      socket.off('error', refused)
      socket.off('close', closed)
      socket.off('readable', read)
      if (cause === undefined) return resolve(socket)
      socket.on('error', () => {})
      socket.destroy()
      reject(cause)
    }
    const giveUp = () => end(new Error('given up'))
    const refused = (cause: Error) => end(new Error(`${at}: ${cause.message}`))
    const closed = () => end(new Error(`${at} closed the connection`))
    const read = () => {
      for (let chunk = socket.read() as Buffer | null; chunk !== null; chunk = socket.read() as Buffer | null) {
        answer = Buffer.concat([answer, chunk])
        const length = answer.indexOf('\r\n\r\n')
        if (length === -1 && answer.length <= MAX_ANSWER_BYTES) continue
        const status = /^HTTP\/1\.[01] (\d{3})[ \r]/.exec(answer.toString('latin1', 0, 64))?.[1]
        if (length === -1 || status === undefined) return end(new Error(`${at} does not speak HTTP`))
        if (status !== '200')
          return end(new Error(`${at} answered ${status}${status === '407' ? ': name or password' : ''}`))
        const rest = answer.subarray(length + 4)
        end()
        if (rest.length > 0) socket.unshift(rest)
        return
      }
    }
    signal.addEventListener('abort', giveUp)
    if (signal.aborted) return giveUp()
    socket.once('error', refused)
    socket.once('close', closed)
    socket.on('readable', read)
    const { credentials } = proxy
    const authorization =
      credentials === undefined ? '' : `Proxy-Authorization: Basic ${Buffer.from(credentials).toString('base64')}\r\n`
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${authorization}\r\n`)
  })
}
