/**
 * One ranged GET of an object, and nothing but the bytes asked for: no redirect, no encoding, no other
 * range, no byte more (REL-10, SEC-35, SEC-55). The bytes go to `take` as they come; while it works,
 * the connection waits.
 */
import type { ByteRange } from '@sluice/content'
import { type Problem, problem, readProblem } from '@sluice/protocol'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'
import type { Line } from './budget/line.ts'
import { connectTo, type Head } from './connection.ts'

export interface RangeOrder {
  target: ObjectTarget
  range: ByteRange
  /** Size of the whole object. */
  objectBytes: number
  /** Gets every piece in order; the piece is good until this returns. Throwing ends the request and passes through. */
  take: (piece: Buffer) => Promise<void> | void
  /** Roughly one round trip, in milliseconds: how long the beginning of the answer took. */
  onAnswer?: (latencyMs: number) => void
  /** Every byte of the answer's body, also those that are of no use. */
  onReceived: (bytes: number) => void
  signal: AbortSignal
  /** What may use the line, and how fast; absent: everything. */
  line?: Line | undefined
  /** Longest silence of the other side, connecting included. */
  idleMs: number
}

/** A source slower than this over `idleMs` is given up (REL-11), in bytes per second. */
const LEAST_RATE = 1024
const LARGEST_PROBLEM_BYTES = 64 * 1024

/**
 * Undefined when the whole range came. `UNREACHABLE`, `CONTENT_SOURCE_FAILED` (it broke off, was too
 * slow, or the source says it cannot), `BAD_ANSWER` (it is not what was asked for), or what the source
 * says. Rejects with the reason of the signal.
 */
export async function fetchRange(order: RangeOrder): Promise<Problem | undefined> {
  const wantedBytes = order.range.end - order.range.start
  const closed = await order.line?.admit(wantedBytes)
  if (closed === undefined && order.signal.aborted) order.line?.givenUp(wantedBytes)
  order.signal.throwIfAborted()
  if (closed !== undefined) return closed
  let receivedBytes = 0
  const counted = (bytes: number) => {
    receivedBytes += bytes
    order.onReceived(bytes)
  }
  const first = await attempt({ ...order, onReceived: counted }).finally(() =>
    order.line?.givenUp(Math.max(0, wantedBytes - receivedBytes)),
  )
  // A kept connection that the server closed meanwhile says nothing about the server.
  return first === 'staleConnection' ? fetchRange(order) : first
}

/** The answer, as far as it came. */
type Phase = { kind: 'asked' } | { kind: 'body' } | { kind: 'refused'; head: Head; body: Buffer }

type Outcome =
  | { kind: 'ended'; problem: Problem | undefined }
  | { kind: 'staleConnection' }
  | { kind: 'ours'; error: unknown }

async function attempt(order: RangeOrder): Promise<Problem | undefined | 'staleConnection'> {
  const { target, range, take, onReceived, signal, idleMs } = order
  const where = `${target.url.host}, ${target.url.pathname.slice(0, 60)}`
  const connection = connectTo(target, idleMs)
  const askedAt = performance.now()
  const over = Promise.withResolvers<Outcome>()
  let ended = false
  let phase: Phase = { kind: 'asked' }
  let left = range.end - range.start
  /** What `take` still works at: meanwhile nothing more is read from the connection. */
  let takes = 0
  let taken: Promise<unknown> = Promise.resolve()
  const speed = watchSpeed(idleMs, () => {
    if (phase.kind === 'body' && takes === 0) broken(`slower than ${LEAST_RATE} bytes/s`)
  })

  const end = (outcome: Outcome) => {
    if (ended) return
    ended = true
    if (phase.kind === 'body' && left === 0) connection.keep()
    else connection.destroy()
    over.resolve(outcome)
  }
  const endWith = (reason: Problem | undefined) => end({ kind: 'ended', problem: reason })
  const broken = (why: string) => endWith(problem('CONTENT_SOURCE_FAILED', `${where}: ${why}`))
  const bad = (what: string) => endWith(problem('BAD_ANSWER', `${where}: ${what}`))
  const hold = async (work: Promise<void>) => {
    takes += 1
    if (takes === 1) connection.pause()
    const goOn = speed.pause()
    await work.catch((error: unknown) => end({ kind: 'ours', error }))
    goOn()
    takes -= 1
    if (takes === 0 && !ended) connection.resume()
  }
  const received = (piece: Buffer) => {
    onReceived(piece.length)
    speed.count(piece.length)
    left -= piece.length
    if (left < 0) return bad('more bytes than it announced')
    try {
      const allowed = order.line?.passed(piece.length)
      const work = take(piece)
      if (work !== undefined) taken = Promise.all([taken, hold(work)])
      if (allowed instanceof Promise) void hold(allowed)
      else if (allowed !== undefined && left > 0) return endWith(allowed)
    } catch (error) {
      return end({ kind: 'ours', error })
    }
    if (left === 0) endWith(undefined)
  }
  const aborted = () => endWith(undefined)
  signal.addEventListener('abort', aborted, { once: true })
  connection.get(
    { range: `bytes=${range.start}-${range.end - 1}`, 'accept-encoding': 'identity' },
    {
      head(head) {
        // A new connection takes one round trip for TCP and one for TLS before the request goes out.
        order.onAnswer?.((performance.now() - askedAt) / (connection.reused ? 1 : 3))
        phase = head.status >= 400 ? { kind: 'refused', head, body: Buffer.alloc(0) } : { kind: 'body' }
        const fault = head.status >= 400 ? undefined : faultOf(head, order)
        if (fault !== undefined) bad(fault)
      },
      piece(piece) {
        if (ended) return
        if (phase.kind !== 'refused') return received(piece)
        phase.body = Buffer.concat([phase.body, piece])
        if (isWhole(phase)) endWith(refusalOf(phase, target, where))
      },
      closed(error) {
        const why = [error?.code, error?.message].filter(Boolean).join(': ')
        if (phase.kind === 'refused') endWith(refusalOf(phase, target, where))
        else if (phase.kind === 'body') broken(why === '' ? `broke off ${left} bytes before the end` : why)
        else if (connection.reused && (why === '' || error?.code === 'ECONNRESET' || error?.code === 'EPIPE'))
          end({ kind: 'staleConnection' })
        else endWith(problem('UNREACHABLE', `${target.url.host}: ${why === '' ? 'closed without an answer' : why}`))
      },
    },
  )
  const outcome = await over.promise
  signal.removeEventListener('abort', aborted)
  speed.close()
  await taken
  signal.throwIfAborted()
  if (outcome.kind === 'ours') throw outcome.error
  return outcome.kind === 'ended' ? outcome.problem : outcome.kind
}

/** What is wrong with the head of an answer that is no refusal. */
function faultOf({ status, headers }: Head, { range, objectBytes }: RangeOrder): string | undefined {
  const length = range.end - range.start
  const encoding = headers.get('content-encoding') ?? 'identity'
  const announced = headers.get('content-length')
  const part = headers.get('content-range')
  if (status !== 206 && !(status === 200 && length === objectBytes)) return `status ${status} for a range`
  if (encoding !== 'identity') return 'the answer is encoded'
  if (headers.has('transfer-encoding') || announced === undefined) return 'the answer does not say how long it is'
  if (status === 206 && part !== `bytes ${range.start}-${range.end - 1}/${objectBytes}`)
    return `the range ${String(part).slice(0, 60)} of another request`
  return announced === String(length) ? undefined : `${announced.slice(0, 20)} bytes instead of ${length}`
}

interface Refused {
  head: Head
  body: Buffer
}

/** The text of a refusal is there, or as much of it as is read. */
function isWhole({ head: { headers }, body }: Refused): boolean {
  if (body.length > LARGEST_PROBLEM_BYTES) return true
  if (headers.has('transfer-encoding')) return body.subarray(-5).equals(LAST_CHUNK)
  return body.length >= Number(headers.get('content-length') ?? 0)
}

const LAST_CHUNK = Buffer.from('0\r\n\r\n')

function refusalOf({ head: { status, headers }, body }: Refused, { source }: ObjectTarget, where: string): Problem {
  const seconds = Number(headers.get('retry-after') ?? Number.NaN)
  const more = seconds >= 0 ? { retryAfterMs: Math.min(seconds, 3600) * 1000 } : {}
  // Storage speaks of itself in other words.
  if (source === 'cloud') return cloudProblem(status, where, more)
  const said = readProblem(parse(headers.has('transfer-encoding') ? unchunked(body) : body), status)
  // A page of some proxy: what counts is whether the other side may be better later.
  if (said.code === 'BAD_ANSWER' && (status >= 500 || status === 429))
    return problem('CONTENT_SOURCE_FAILED', `${where}: HTTP ${status}`, more)
  return { ...more, ...said }
}

function cloudProblem(status: number, where: string, more: { retryAfterMs?: number }): Problem {
  if (status === 401 || status === 403) return problem('SIGNED_URL_REFUSED', `${where}: HTTP ${status}`)
  if (status === 404 || status === 410) return problem('PACK_GONE', `${where}: HTTP ${status}`)
  return problem('CONTENT_SOURCE_FAILED', `${where}: HTTP ${status}`, more)
}

/** The bytes of chunks (RFC 9112 §7.1), as far as they are well formed. */
function unchunked(body: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = body.indexOf('\r\n', at)
    const size = /^[0-9a-f]{1,6}$/i.test(body.toString('latin1', at, lineEnd))
      ? Number.parseInt(body.toString('latin1', at, lineEnd), 16)
      : 0
    if (lineEnd === -1 || size === 0) return Buffer.concat(parts)
    parts.push(body.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

/** Looks every `idleMs` whether enough came; the time of our own pauses does not count. */
function watchSpeed(idleMs: number, onSlow: () => void) {
  let bytes = 0
  let pausedMs = 0
  let began = performance.now()
  const timer = setInterval(() => {
    const seconds = (performance.now() - began - pausedMs) / 1000
    if (bytes < seconds * LEAST_RATE) onSlow()
    bytes = 0
    pausedMs = 0
    began = performance.now()
  }, idleMs)
  return {
    count(more: number) {
      bytes += more
    },
    /** Returns what ends the pause. */
    pause() {
      const from = performance.now()
      return () => {
        pausedMs += performance.now() - Math.max(from, began)
      }
    },
    close: () => clearInterval(timer),
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
