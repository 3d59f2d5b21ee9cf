/**
 * One ranged GET of an object, and nothing but the bytes asked for: no redirect, no encoding, no other
 * range, no byte more (REL-10, SEC-35, SEC-55). The bytes go to `take` as they come; while it works,
 * the connection waits.
 */
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import type { ByteRange } from '@sluice/content'
import { type Problem, problem, readProblem } from '@sluice/protocol'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'

export interface RangeOrder {
  target: ObjectTarget
  range: ByteRange
  /** Size of the whole object. */
  objectBytes: number
  /** Gets every piece in order. Throwing ends the request and passes through. */
  take: (piece: Buffer) => Promise<void> | void
  /** Roughly one round trip, in milliseconds: how long the beginning of the answer took. */
  onAnswer?: (latencyMs: number) => void
  /** Every byte of the answer's body, also those that are of no use. */
  onReceived: (bytes: number) => void
  signal: AbortSignal
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
  order.signal.throwIfAborted()
  const first = await attempt(order)
  // A kept connection that the server closed meanwhile says nothing about the server.
  return first === 'staleConnection' ? ((await attempt(order)) as Problem | undefined) : first
}

async function attempt(order: RangeOrder): Promise<Problem | undefined | 'staleConnection'> {
  const { target, range, signal, idleMs } = order
  const where = `${target.url.host}, ${target.url.pathname.slice(0, 60)}`
  const sent = request(target.url, {
    agent: target.agent,
    headers: { range: `bytes=${range.start}-${range.end - 1}`, 'accept-encoding': 'identity' },
    signal,
  })
  sent.setTimeout(idleMs, () => sent.destroy(new Error(`silent for ${idleMs} ms`)))
  sent.end()
  const askedAt = performance.now()
  let response: IncomingMessage
  try {
    response = await new Promise((resolve, reject) => {
      sent.on('response', resolve)
      sent.on('error', reject)
    })
  } catch (error) {
    signal.throwIfAborted()
    const { code, message } = error as NodeJS.ErrnoException
    if (sent.reusedSocket && (code === 'ECONNRESET' || code === 'EPIPE')) return 'staleConnection'
    return problem('UNREACHABLE', `${target.url.host}: ${[code, message].filter(Boolean).join(': ')}`)
  }
  // A new connection takes one round trip for TCP and one for TLS before the request goes out.
  order.onAnswer?.((performance.now() - askedAt) / (sent.reusedSocket ? 1 : 3))
  try {
    return (await refusal(response, order, where)) ?? (await receive(response, order, where))
  } finally {
    // What is left of a refused or broken answer is not read. After a whole one this does nothing.
    if (!response.complete) sent.destroy()
  }
}

/** What is wrong with the head of the answer. */
async function refusal(response: IncomingMessage, order: RangeOrder, where: string): Promise<Problem | undefined> {
  const { range, objectBytes } = order
  const { statusCode: status = 0, headers } = response
  const length = range.end - range.start
  const bad = (what: string) => problem('BAD_ANSWER', `${where}: ${what}`)
  if (status >= 400) return sourceProblem(response, order, where)
  const whole = length === objectBytes
  if (status !== 206 && !(status === 200 && whole)) return bad(`status ${status} for a range`)
  if (headers['content-encoding'] !== undefined && headers['content-encoding'] !== 'identity')
    return bad('the answer is encoded')
  if (status === 206 && headers['content-range'] !== `bytes ${range.start}-${range.end - 1}/${objectBytes}`)
    return bad(`the range ${String(headers['content-range']).slice(0, 60)} of another request`)
  if (headers['content-length'] !== undefined && Number(headers['content-length']) !== length)
    return bad(`${headers['content-length'].slice(0, 20)} bytes instead of ${length}`)
  return undefined
}

async function sourceProblem(response: IncomingMessage, order: RangeOrder, where: string): Promise<Problem> {
  const { statusCode: status = 0, headers } = response
  let body = Buffer.alloc(0)
  try {
    for await (const piece of response) {
      body = Buffer.concat([body, piece as Buffer])
      if (body.length > LARGEST_PROBLEM_BYTES) break
    }
  } catch {
    order.signal.throwIfAborted()
  }
  const seconds = Number(headers['retry-after'])
  const more = seconds >= 0 ? { retryAfterMs: Math.min(seconds, 3600) * 1000 } : {}
  const said = readProblem(parse(body), status)
  // A page of some proxy: what counts is whether the other side may be better later.
  if (said.code === 'BAD_ANSWER' && (status >= 500 || status === 429))
    return problem('CONTENT_SOURCE_FAILED', `${where}: HTTP ${status}`, more)
  return { ...more, ...said }
}

/** While `take` works, nothing more is read from the connection; what it takes at once costs no turn of the loop. */
async function receive(response: IncomingMessage, order: RangeOrder, where: string): Promise<Problem | undefined> {
  const { range, take, onReceived, signal, idleMs } = order
  let left = range.end - range.start
  let inWindow = 0
  let ourTime = 0
  let windowStart = performance.now()
  let tooSlow = false
  let tooLong = false
  let ours: { error: unknown } | undefined
  let taking: Promise<void> | undefined
  const watch = setInterval(() => {
    const seconds = (performance.now() - windowStart - ourTime) / 1000
    if (left > 0 && taking === undefined && inWindow < seconds * LEAST_RATE) {
      tooSlow = true
      response.destroy()
    }
    inWindow = 0
    ourTime = 0
    windowStart = performance.now()
  }, idleMs)
  const stop = (error: unknown) => {
    ours ??= { error }
    response.destroy()
  }
  const wait = async (work: Promise<void>) => {
    const began = performance.now()
    response.pause()
    try {
      await work
      response.resume()
    } catch (error) {
      stop(error)
    }
    ourTime += performance.now() - Math.max(began, windowStart)
    taking = undefined
  }
  await new Promise<void>((resolve) => {
    response.on('data', (piece: Buffer) => {
      onReceived(piece.length)
      inWindow += piece.length
      left -= piece.length
      if (left < 0) {
        tooLong = true
        response.destroy()
      } else if (ours === undefined)
        try {
          const work = take(piece)
          if (work !== undefined) taking = wait(work)
        } catch (error) {
          stop(error)
        }
    })
    // Everything but our own failure is the connection's end.
    response.on('error', () => {})
    response.once('end', resolve)
    response.once('close', resolve)
  })
  clearInterval(watch)
  await taking
  signal.throwIfAborted()
  if (ours !== undefined) throw ours.error
  if (tooLong) return problem('BAD_ANSWER', `${where}: more bytes than it announced`)
  if (left === 0) return undefined
  const why = tooSlow ? `slower than ${LEAST_RATE} bytes/s` : `broke off ${left} bytes before the end`
  return problem('CONTENT_SOURCE_FAILED', `${where}: ${why}`)
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'))
  } catch {
    return undefined
  }
}
