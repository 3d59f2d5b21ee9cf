/**
 * One of the two connections of the link, seen from the gateway: it accepted the TCP connection and
 * is the HTTP/2 *client* on it. Asks, pings, and ends.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { failed, linkBounds, ok, problem, type Result } from '@sluice/protocol'
import { reason } from '../log.ts'

/** Megabytes that the library may hold for one connection before it refuses new requests. */
const SESSION_MEMORY_MB = 256
/** Requests under way may end for this long when another connection takes over. */
const RETIRE_MS = 10_000

export interface LinkRequest {
  method: 'GET' | 'POST'
  path: string
  headers?: Record<string, string>
  body?: Uint8Array
  /** Milliseconds until the headers of the answer. */
  timeoutMs: number
  signal?: AbortSignal
}

export interface LinkAnswer {
  status: number
  contentType: string
  /** Bytes of the body, as announced; the library holds the other side to it. */
  lengthBytes: number | undefined
  /** Destroy it to give up. */
  body: ClientHttp2Stream
}

export interface LinkSession {
  /** `SITE_UNREACHABLE` when the connection breaks, or time is up, before the answer begins. */
  request(request: LinkRequest): Promise<Result<LinkAnswer>>
  /** Resolves, with the reason, when the connection is gone. */
  closed: Promise<string>
  /** Takes no new request; those under way may end. */
  retire(): void
  destroy(why: string): void
}

/** @param socket after its TLS handshake */
export function createLinkSession(socket: TLSSocket): LinkSession {
  const session = connect('https://site.link', {
    createConnection: () => socket,
    settings: { enablePush: false, initialWindowSize: linkBounds.streamWindowBytes },
    maxSessionMemory: SESSION_MEMORY_MB,
  })
  let why = 'the site closed it'
  session.once('connect', () => session.setLocalWindowSize(linkBounds.sessionWindowBytes))
  session.on('error', (cause) => {
    why = reason(cause)
  })
  const closed = new Promise<string>((resolve) => {
    session.once('close', () => resolve(why))
    socket.once('close', () => resolve(why))
  })
  const destroy = (cause: string) => {
    why = cause
    // The socket first: a farewell that is not read to its end keeps the other side's session waiting.
    socket.destroy()
    session.destroy()
  }
  keepAlive(session, destroy)

  return {
    closed,
    destroy,
    retire() {
      session.close()
      setTimeout(() => destroy('another connection took over'), RETIRE_MS).unref()
    },
    request: (request) => ask(session, request),
  }
}

function keepAlive(session: ClientHttp2Session, destroy: (why: string) => void): void {
  let waiting: NodeJS.Timeout | undefined
  const ping = setInterval(() => {
    if (waiting !== undefined || session.destroyed) return
    waiting = setTimeout(() => destroy('no answer to a ping'), linkBounds.pingTimeoutMs)
    session.ping(() => {
      clearTimeout(waiting)
      waiting = undefined
    })
  }, linkBounds.pingIntervalMs)
  ping.unref()
  session.once('close', () => {
    clearInterval(ping)
    clearTimeout(waiting)
  })
}

const unreachable = (detail: string) => failed<LinkAnswer>(problem('SITE_UNREACHABLE', detail))

async function ask(session: ClientHttp2Session, request: LinkRequest): Promise<Result<LinkAnswer>> {
  if (session.closed || session.destroyed) return unreachable('The link is closing.')
  if (request.signal?.aborted === true) return unreachable('Given up.')
  const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH, HTTP2_HEADER_CONTENT_LENGTH, NGHTTP2_CANCEL } = constants
  const stream = session.request(
    {
      ...request.headers,
      [HTTP2_HEADER_METHOD]: request.method,
      [HTTP2_HEADER_PATH]: request.path,
      ...(request.body === undefined ? {} : { [HTTP2_HEADER_CONTENT_LENGTH]: String(request.body.length) }),
    },
    { endStream: request.body === undefined },
  )
  // Whoever reads the body hears of errors there; without a listener they would end the process.
  stream.on('error', () => {})
  const giveUp = () => stream.close(NGHTTP2_CANCEL)
  request.signal?.addEventListener('abort', giveUp)
  stream.once('close', () => request.signal?.removeEventListener('abort', giveUp))
  const timeout = setTimeout(giveUp, request.timeoutMs)
  try {
    if (request.body !== undefined) stream.end(request.body)
    const answer = await new Promise<Record<string, string | string[] | number | undefined>>((resolve, reject) => {
      stream.once('response', resolve)
      stream.once('close', () => reject(new Error('the link broke, or no answer came in time')))
    })
    const length = answer['content-length']
    return ok({
      status: Number(answer[':status']),
      contentType: String(answer['content-type'] ?? ''),
      lengthBytes: typeof length === 'string' && /^\d{1,15}$/.test(length) ? Number(length) : undefined,
      body: stream,
    })
  } catch (thrown) {
    return unreachable(`The site did not answer: ${reason(thrown)}.`)
  } finally {
    clearTimeout(timeout)
  }
}
