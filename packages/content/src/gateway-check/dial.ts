/** A TCP connection to a gateway, straight or through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). */
import { connect, type Socket } from 'node:net'
import { failed, ok, type ProblemCode, problem, type Result } from '@sluice/protocol'

/** Longest time for one stretch of the way, and largest answer of a proxy. */
export const checkBounds = { hopMs: 10_000, proxyAnswerBytes: 8 * 1024 } as const

export interface Place {
  /** Without the brackets of an IPv6 address. */
  host: string
  port: number
  /** `http:` address of a proxy, with name and password where it wants them. Never shown. */
  proxyUrl?: string | undefined
}

/** `GATEWAY_PORT_CLOSED`, `PROXY_REFUSED`. Rejects only with the reason of `signal`. */
export function dial({ host, port, proxyUrl }: Place, signal: AbortSignal): Promise<Result<Socket>> {
  const proxy = proxyUrl === undefined ? undefined : new URL(proxyUrl)
  const target = `${host.includes(':') ? `[${host}]` : host}:${port}`
  const first =
    proxy === undefined
      ? { host, port }
      : { host: proxy.hostname.replace(/^\[|\]$/g, ''), port: Number(proxy.port || 80) }
  return new Promise((resolve, reject) => {
    const socket = connect(first)
    const stop = () => {
      end()
      reject(signal.reason)
    }
    const end = () => {
      clearTimeout(late)
      signal.removeEventListener('abort', stop)
      socket.off('error', broke)
    }
    const give = (result: Result<Socket>) => {
      end()
      if (!result.ok) socket.on('error', () => {}).destroy()
      resolve(result)
    }
    const refuse = (code: ProblemCode, why: string) => give(failed(problem(code, why)))
    const code: ProblemCode = proxy === undefined ? 'GATEWAY_PORT_CLOSED' : 'PROXY_REFUSED'
    const near = proxy === undefined ? target : `Proxy ${proxy.host}`
    const broke = (error: Error) => refuse(code, `${near}: ${reasonOf(error)}.`)
    const late = setTimeout(() => refuse(code, `${near}: silent for ${checkBounds.hopMs / 1000} s.`), checkBounds.hopMs)
    signal.addEventListener('abort', stop, { once: true })
    socket.once('error', broke)
    socket.once('connect', () => {
      if (proxy === undefined) return give(ok(socket))
      socket.write(connectRequest(proxy, target))
      readAnswer(socket, (why) => (why === undefined ? give(ok(socket)) : refuse('PROXY_REFUSED', `${near}: ${why}.`)))
    })
  })
}

function connectRequest({ username, password }: URL, target: string): string {
  const name = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  const who = username === '' ? '' : `Proxy-Authorization: Basic ${Buffer.from(name).toString('base64')}\r\n`
  return `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${who}\r\n`
}

/** Tells why the proxy refuses; undefined when it does not. Nothing comes behind the answer: TLS begins with us. */
function readAnswer(socket: Socket, done: (why: string | undefined) => void): void {
  let head = ''
  const read = (part: Buffer) => {
    head += part.toString('latin1')
    if (!head.includes('\r\n\r\n') && head.length < checkBounds.proxyAnswerBytes) return
    leave()
    const status = /^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1]
    done(status === '200' ? undefined : status === undefined ? 'it does not speak HTTP' : `it answers ${status}`)
  }
  const closed = () => {
    leave()
    done('it closed the connection')
  }
  const leave = () => {
    socket.off('data', read).off('close', closed)
    socket.pause()
  }
  socket.on('data', read).once('close', closed)
}

export const reasonOf = (error: Error & { code?: string }): string =>
  [error.code, error.message].filter((text) => text !== undefined && text !== '').join(': ')
