/**
 * Connections for objects: one GET after the other over TLS, and the answer as it comes. Written for long
 * reads of known length, where Node's own client spends two copies and much garbage on every 16 KiB.
 *
 * Owns: requests, heads of answers, connections that are kept for the next one. Does not own: whom to
 * trust and with which certificate (the target's agent), what an answer means (`fetch-range.ts`).
 *
 *   C1. A piece of a body lies in memory that the next piece overwrites: it is good until `piece` returns.
 *   C2. A head is bounded and must be plain HTTP/1.1; nothing is read leniently.
 *   C3. Nothing is sent before the other side proved who it is.
 *   C4. A connection is kept only after an answer of known length that came whole, and ends after
 *       `idleMs` without another request. Kept ones let the process end.
 */
import type { Agent } from 'node:https'
import { TLSSocket } from 'node:tls'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'

export interface Head {
  status: number
  /** By their names in small letters; of a repeated one the last. */
  headers: ReadonlyMap<string, string>
}

/** What comes back; nothing comes after `closed`. */
export interface Receiver {
  head(head: Head): void
  /** Of the body (C1). */
  piece(bytes: Buffer): void
  /** The connection ended, or what came was no answer. */
  closed(error: NodeJS.ErrnoException | undefined): void
}

export interface Connection {
  /** It was used before: the other side may have closed it meanwhile. */
  reused: boolean
  get(headers: Readonly<Record<string, string>>, receiver: Receiver): void
  pause(): void
  resume(): void
  /** The answer came whole (C4). */
  keep(): void
  destroy(): void
}

const LARGEST_HEAD_BYTES = 16 * 1024
/** As large as what TLS gives at once. */
const PIECE_BYTES = 16 * 1024

interface Kept {
  socket: TLSSocket
  /** C3 */
  trusted: boolean
  /** We do not read: that is no silence of the other side. */
  paused: boolean
  receiver: { data(bytes: Buffer): void; closed(error?: Error): void } | undefined
}

const idle = new WeakMap<Agent, Map<string, Kept[]>>()

/** A kept connection, or a new one. @param idleMs longest silence of the other side, connecting included */
export function connectTo({ url, agent }: ObjectTarget, idleMs: number): Connection {
  const place = keptAt(agent, url.host)
  while (place.at(-1)?.socket.destroyed) place.pop()
  const kept = place.pop()
  const line = kept ?? open(agent, url, idleMs, place)
  const { socket } = line
  socket.ref()
  return {
    reused: kept !== undefined,
    get(headers, receiver) {
      const words = Object.entries({ host: url.host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
      const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\n${words.join('')}\r\n`
      line.receiver = parser(receiver, socket)
      // C3
      if (line.trusted) socket.write(request)
      else socket.once('secureConnect', () => socket.write(request))
    },
    pause() {
      line.paused = true
      socket.pause()
    },
    resume() {
      line.paused = false
      socket.resume()
    },
    keep() {
      line.receiver = undefined
      line.paused = false
      if (socket.destroyed) return
      socket.resume()
      socket.unref()
      place.push(line)
    },
    destroy() {
      line.receiver = undefined
      socket.destroy()
    },
  }
}

/** Makes connections that the next requests will use, up to `count` kept ones. */
export function warmUp(target: ObjectTarget, idleMs: number, count: number): void {
  const place = keptAt(target.agent, target.url.host)
  while (place.length < count) {
    const line = open(target.agent, target.url, idleMs, place)
    line.socket.unref()
    place.push(line)
  }
}

function keptAt(agent: Agent, host: string): Kept[] {
  const hosts = idle.get(agent) ?? new Map<string, Kept[]>()
  idle.set(agent, hosts)
  const place = hosts.get(host) ?? []
  hosts.set(host, place)
  return place
}

function open(agent: Agent, url: URL, idleMs: number, place: Kept[]): Kept {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const buffer = Buffer.allocUnsafeSlow(PIECE_BYTES)
  const socket: unknown = agent.createConnection({
    ...agent.options,
    host,
    port: url.port === '' ? 443 : Number(url.port),
    timeout: idleMs,
    onread: {
      buffer,
      callback(count: number) {
        // What nobody asked for is no answer to the next question.
        if (line.receiver === undefined) line.socket.destroy()
        else line.receiver.data(buffer.subarray(0, count))
        return true
      },
    },
  } as Parameters<Agent['createConnection']>[0])
  if (!(socket instanceof TLSSocket)) throw new Error('objects are fetched over TLS only')
  const line: Kept = { socket, trusted: false, paused: false, receiver: undefined }
  let why: Error | undefined
  socket.on('secureConnect', () => {
    line.trusted = true
  })
  socket.on('timeout', () => {
    if (!line.paused) socket.destroy(new Error(`silent for ${idleMs} ms`))
  })
  socket.on('error', (error) => {
    why = error
  })
  socket.on('end', () => socket.destroy())
  socket.on('close', () => {
    const at = place.indexOf(line)
    if (at !== -1) place.splice(at, 1)
    line.receiver?.closed(why)
    line.receiver = undefined
  })
  return line
}

/** Splits what comes into head and body (C2). */
function parser(receiver: Receiver, socket: TLSSocket): NonNullable<Kept['receiver']> {
  let before: Buffer | undefined = Buffer.alloc(0)
  return {
    closed: (error) => receiver.closed(error),
    data(bytes) {
      if (before === undefined) return receiver.piece(bytes)
      const seen: Buffer = Buffer.concat([before, bytes])
      const end = seen.indexOf('\r\n\r\n')
      before = seen
      if (end === -1 && seen.length <= LARGEST_HEAD_BYTES) return
      const head = end === -1 ? undefined : readHead(seen.toString('latin1', 0, end))
      if (head === undefined) return void socket.destroy(new Error('what came is no answer'))
      before = undefined
      receiver.head(head)
      if (end + 4 < seen.length) receiver.piece(seen.subarray(end + 4))
    },
  }
}

function readHead(text: string): Head | undefined {
  const [first = '', ...lines] = text.split('\r\n')
  const status = /^HTTP\/1\.1 ([2-5]\d\d)(?: |$)/.exec(first)?.[1]
  const fields = lines.map((line) => /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line))
  if (status === undefined || fields.some((field) => field === null)) return undefined
  return {
    status: Number(status),
    headers: new Map(fields.map((field) => [field?.[1]?.toLowerCase() ?? '', field?.[2] ?? ''])),
  }
}
