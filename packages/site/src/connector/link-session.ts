/**
 * One connection of the link, seen from the site: it dialled, and now is the HTTP/2 *server*. A
 * gateway may ask what `routes` declares and nothing else (SEC-52).
 *
 * 1. Bodies are bounded before they are read, one by one and all together.
 * 2. A peer that does not answer a ping is cut off.
 */
import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'
import { linkBounds, type Problem, problem } from '@sluice/protocol'
import { PROBLEM_TYPE, problemStatus } from '../problem-document.ts'

/** Megabytes that the library may hold for one connection before it refuses new requests. */
const SESSION_MEMORY_MB = 64
/** Requests under way may end for this long after the gateway said that it takes no more answers but these. */
const GRACE_MS = 10_000
/** Bytes of all bodies of one connection held at once. */
const BODY_BYTES = 64 * 1024 * 1024

export interface LinkCall {
  method: string
  path: string
  headers: Readonly<Record<string, string | string[] | undefined>>
  stream: ServerHttp2Stream
  /** Reads the body; `BODY_TOO_LARGE`, `BUSY` or `BAD_REQUEST` are sent, and undefined is given. */
  readBody(maxBytes: number): Promise<Buffer | undefined>
  refuse(reason: Problem): void
  /** Aborts when the gateway gives up. */
  signal: AbortSignal
}

export interface LinkSession {
  /** Resolves, with the reason, when the connection is gone. */
  closed: Promise<string>
  destroy(why: string): void
  /** Between the last ping and its answer, in milliseconds; undefined before the first. */
  roundTripMs(): number | undefined
}

/** @param onCall never throws */
export function createLinkSession(socket: TLSSocket, onCall: (call: LinkCall) => void): LinkSession {
  const session = performServerHandshake(socket, {
    settings: { initialWindowSize: linkBounds.streamWindowBytes, maxConcurrentStreams: linkBounds.streams },
    maxSessionMemory: SESSION_MEMORY_MB,
  })
  session.setLocalWindowSize(linkBounds.sessionWindowBytes)
  let why = 'the gateway closed it'
  let heldBytes = 0
  const destroy = (cause: string) => {
    why = cause
    // The socket first: a farewell that is not read to its end keeps the other side's session waiting.
    socket.destroy()
    session.destroy()
  }
  session.on('error', (cause: Error) => {
    why = cause.message
  })
  session.once('goaway', () => setTimeout(() => destroy('the gateway said farewell'), GRACE_MS).unref())
  session.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    const gone = new AbortController()
    stream.once('close', () => gone.abort())
    const refuse = (reason: Problem) => answerJson(stream, problemStatus(reason), reason, PROBLEM_TYPE)
    onCall({
      method: String(headers[':method']),
      path: String(headers[':path']),
      headers,
      stream,
      refuse,
      signal: gone.signal,
      async readBody(maxBytes) {
        const size = Number(headers['content-length'] ?? Number.NaN)
        const fault = !Number.isSafeInteger(size)
          ? problem('BAD_REQUEST', 'A body needs a length.')
          : size > maxBytes
            ? problem('BODY_TOO_LARGE', `${size} bytes; at most ${maxBytes}.`)
            : heldBytes + size > BODY_BYTES
              ? problem('BUSY', 'Too many bodies at once.')
              : undefined
        if (fault !== undefined) {
          refuse(fault)
          return undefined
        }
        heldBytes += size // 1
        stream.once('close', () => {
          heldBytes -= size
        })
        return await readAll(stream, size)
      },
    })
  })
  const roundTripMs = keepAlive(session, destroy)
  const closed = new Promise<string>((resolve) => {
    session.once('close', () => resolve(why))
    socket.once('close', () => resolve(why))
  })
  return { destroy, closed, roundTripMs }
}

/** The library holds the peer to the length it announced. */
async function readAll(stream: ServerHttp2Stream, size: number): Promise<Buffer | undefined> {
  const chunks: Buffer[] = []
  try {
    for await (const chunk of stream.iterator({ destroyOnReturn: false })) chunks.push(chunk as Buffer)
  } catch {
    return undefined
  }
  return Buffer.concat(chunks, size)
}

/** 2 */
function keepAlive(session: ServerHttp2Session, destroy: (why: string) => void): () => number | undefined {
  let waiting: NodeJS.Timeout | undefined
  let roundTripMs: number | undefined
  const once = () => {
    if (waiting !== undefined || session.destroyed) return
    waiting = setTimeout(() => destroy('no answer to a ping'), linkBounds.pingTimeoutMs)
    session.ping((fault, durationMs) => {
      clearTimeout(waiting)
      waiting = undefined
      if (fault === null) roundTripMs = durationMs
    })
  }
  once()
  const ping = setInterval(once, linkBounds.pingIntervalMs)
  session.once('close', () => {
    clearInterval(ping)
    clearTimeout(waiting)
  })
  return () => roundTripMs
}

export function answerJson(
  stream: ServerHttp2Stream,
  status: number,
  body: unknown,
  contentType = 'application/json',
): void {
  if (stream.closed || stream.destroyed || stream.headersSent) return
  const bytes = Buffer.from(JSON.stringify(body))
  stream.respond({ ':status': status, 'content-type': contentType, 'content-length': bytes.length })
  stream.end(bytes)
}
