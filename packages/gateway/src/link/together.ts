/**
 * Sends what several devices ask at nearly the same time to the site as one request: a stream of HTTP/2
 * costs both ends of the link more than a poll does.
 *
 * Owns who goes with whom. Does not own what a request means, nor what becomes of one that goes alone
 * (`relay.ts`).
 *
 * 1. Every request is answered on its own, as soon as its answer is there, and hears nothing of the others.
 * 2. A request goes at once when nothing was sent for `gatherMs`, and otherwise waits for others until then; a
 *    batch is bounded in number and in bytes.
 * 3. What cannot go together, or got no answer when its batch broke, goes alone, in what is left of its time:
 *    its route allows that it is asked again.
 * 4. An answer is taken once, for a request of this batch; anything else breaks the batch.
 */
import { finished, type Readable } from 'node:stream'
import {
  answerFrameReader,
  type BatchedAnswer,
  type BatchedRequest,
  batchBounds,
  deviceBounds,
  linkPaths,
  writeRequestBatch,
} from '@sluice/protocol'
import type { Link } from './link.ts'

/** Callers and lengths beside the bodies, a request: a name and address of a caller have bounds of their own. */
const HEAD_BYTES = 512
/** How long an answer may take, in milliseconds. */
const timeoutMs = deviceBounds.relayTimeoutMs
const LONGEST_CALLER = HEAD_BYTES - 100

export type TogetherAnswer =
  | { kind: 'answered'; answer: BatchedAnswer }
  /** Within `timeoutMs` (3). */
  | { kind: 'alone'; timeoutMs: number }

export type AskTogether = (request: BatchedRequest) => Promise<TogetherAnswer>

interface Waiting extends BatchedRequest {
  done: (answer: TogetherAnswer) => void
}

/** @param routeId of a route that is `together` */
export function createTogether(link: Pick<Link, 'request'>, routeId: string): AskTogether {
  let gathered: Waiting[] = []
  let bytes = 0
  let timer: NodeJS.Timeout | undefined
  let sentAt = Number.NEGATIVE_INFINITY

  function send(): void {
    clearTimeout(timer)
    timer = undefined
    if (gathered.length === 0) return
    sentAt = performance.now()
    const batch = gathered
    gathered = []
    bytes = 0
    void askBatch(link, routeId, batch)
  }

  return (request) => {
    const size = request.body.length + HEAD_BYTES
    if (request.body.length > batchBounds.requestBytes || JSON.stringify(request.caller).length > LONGEST_CALLER)
      return Promise.resolve({ kind: 'alone', timeoutMs })
    return new Promise((done) => {
      if (bytes + size > batchBounds.bytes) send()
      gathered.push({ ...request, done })
      bytes += size
      if (gathered.length === batchBounds.requests) send()
      else if (gathered.length > 1) return
      // 2. At once is at the end of this turn of the loop: what came in the same one goes along.
      else if (performance.now() - sentAt >= batchBounds.gatherMs) setImmediate(send)
      else timer = setTimeout(send, sentAt + batchBounds.gatherMs - performance.now())
    })
  }
}

async function askBatch(link: Pick<Link, 'request'>, routeId: string, batch: readonly Waiting[]): Promise<void> {
  const open = new Map(batch.map((one, i) => [i, one]))
  const askedAt = performance.now()
  const leftMs = () => Math.max(0, timeoutMs - (performance.now() - askedAt))
  const answer = await link.request('control', {
    method: 'POST',
    path: `${linkPaths.relays}${routeId}`,
    body: writeRequestBatch(batch),
    timeoutMs,
  })
  if (answer.ok && answer.value.status === 200) {
    const { body } = answer.value
    const late = setTimeout(() => body.destroy(), timeoutMs)
    await readAnswers(body, open, leftMs).catch(() => {})
    clearTimeout(late)
    body.destroy()
  } else if (answer.ok) answer.value.body.destroy()
  for (const { done } of open.values()) done({ kind: 'alone', timeoutMs: leftMs() }) // 3
}

/** Resolves when all are answered or the stream ends. @throws when it breaks, or is not what it should be */
function readAnswers(stream: Readable, open: Map<number, Waiting>, leftMs: () => number): Promise<void> {
  const read = answerFrameReader()
  return new Promise((resolve, reject) => {
    stream.on('data', (piece: Buffer) => {
      try {
        for (const answer of read(piece)) {
          const waiting = open.get(answer.request)
          if (waiting === undefined) throw new Error('an answer to nothing that was asked') // 4
          open.delete(answer.request)
          waiting.done(
            answer.contentType === 'alone' ? { kind: 'alone', timeoutMs: leftMs() } : { kind: 'answered', answer },
          ) // 1
        }
      } catch (thrown) {
        reject(thrown)
      }
      if (open.size === 0) resolve()
    })
    // Also when it ended before anybody looked.
    finished(stream, () => resolve())
  })
}
