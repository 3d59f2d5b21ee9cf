/**
 * One HTTPS request and its whole answer, bounded in bytes and in time. No redirects, no
 * decompression: what the server sends is what is read (design §3).
 */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { type Agent, request } from 'node:https'
import { checkServerIdentity, type PeerCertificate } from 'node:tls'
import { failed, ok, problem, type Result } from '@sluice/protocol'

export interface ExchangeOrder {
  method: 'GET' | 'POST'
  /** Which listener of the gateway is meant, where one port serves several; its host otherwise. */
  serverName?: string | undefined
  agent: Agent
  headers: Record<string, string>
  body?: Buffer | undefined
  maxAnswerBytes: number
  /** Longest silence of the other side, connecting included. */
  idleMs: number
  /** Longest time for everything. */
  totalMs: number
  signal?: AbortSignal | undefined
}

export interface Exchange {
  status: number
  headers: IncomingHttpHeaders
  body: Buffer
  /** On a connection that an earlier request had opened. */
  reused: boolean
}

/**
 * `UNREACHABLE` when there is no whole answer, `BAD_ANSWER` when it breaks a bound. Rejects only with
 * the reason of `signal`.
 */
export async function exchange(url: URL, order: ExchangeOrder): Promise<Result<Exchange>> {
  order.signal?.throwIfAborted()
  const first = await attempt(url, order)
  if (first.kind !== 'staleConnection') return first.result
  // A kept connection that the server closed meanwhile says nothing about the server: once more, on a new one.
  const second = await attempt(url, order)
  return second.result
}

type Attempt = { kind: 'answered' | 'staleConnection'; result: Result<Exchange> }

function attempt(url: URL, order: ExchangeOrder): Promise<Attempt> {
  return new Promise((resolve, reject) => {
    const { method, agent, signal } = order
    const headers = { ...order.headers, 'accept-encoding': 'identity' }
    const sent = request(url, {
      ...{ method, agent, headers },
      ...(signal === undefined ? {} : { signal }),
      ...(order.serverName === undefined ? {} : meant(order.serverName, url)),
    })
    const deadline = setTimeout(() => sent.destroy(new Error(`no answer within ${order.totalMs} ms`)), order.totalMs)
    let answer: IncomingMessage | undefined

    const end = (result: Result<Exchange>, kind: Attempt['kind'] = 'answered') => {
      clearTimeout(deadline)
      resolve({ kind, result })
    }
    const refuse = (why: string) => {
      end(failed(problem('BAD_ANSWER', `${url.host}${url.pathname}: ${why}`)))
      sent.destroy()
    }

    sent.setTimeout(order.idleMs, () => sent.destroy(new Error(`silent for ${order.idleMs} ms`)))
    sent.on('error', (error) => {
      if (signal?.aborted) {
        clearTimeout(deadline)
        return reject(signal.reason)
      }
      const stale = sent.reusedSocket && answer === undefined && isReset(error)
      end(failed(problem('UNREACHABLE', `${url.origin}: ${describe(error)}`)), stale ? 'staleConnection' : 'answered')
    })
    sent.on('response', (response) => {
      answer = response
      const encoding = response.headers['content-encoding'] ?? 'identity'
      if (encoding !== 'identity') return refuse(`the answer is encoded as ${JSON.stringify(encoding.slice(0, 40))}`)
      const tooLong = `the answer is longer than ${order.maxAnswerBytes} bytes`
      if (Number(response.headers['content-length'] ?? 0) > order.maxAnswerBytes) return refuse(tooLong)
      const parts: Buffer[] = []
      let length = 0
      response.on('data', (part: Buffer) => {
        length += part.length
        if (length > order.maxAnswerBytes) return refuse(tooLong)
        parts.push(part)
      })
      response.on('end', () =>
        end(
          ok({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(parts),
            reused: sent.reusedSocket,
          }),
        ),
      )
      // After `end` this changes nothing any more.
      response.on('close', () => end(failed(problem('UNREACHABLE', `${url.origin}: the answer broke off`))))
    })
    sent.end(order.body)
  })
}

/** Whatever is meant there, the certificate must be that of the host. */
const meant = (servername: string, url: URL) => ({
  servername,
  checkServerIdentity: (_name: string, certificate: PeerCertificate) =>
    checkServerIdentity(url.hostname.replace(/^\[|\]$/g, ''), certificate),
})

const isReset = (error: Error & { code?: string }) => error.code === 'ECONNRESET' || error.code === 'EPIPE'

/** Network errors are known by their code; some, as when several addresses fail, have no message. */
function describe(error: Error & { code?: string }): string {
  return [error.code, error.message].filter((text) => text !== undefined && text !== '').join(': ')
}
