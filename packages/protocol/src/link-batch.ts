/**
 * Requests of several devices that go over the link as one: a stream of HTTP/2 costs both ends more than
 * a poll does. What each means is as if it had come alone (`linkPaths.relay`): who asks, what it asks and
 * what it is answered are its own, and one that fails costs nobody else.
 *
 * The request is a line of JSON that names the callers and how long their bodies are, then the bodies.
 * The answer is a row of frames in whatever order they are ready: nine bytes, then the bytes of the body.
 */
import { z } from 'zod'
import { Caller } from './link.ts'

export const batchBounds = {
  /** Requests that go together. */
  requests: 64,
  /** Body of one; a longer one goes alone. */
  requestBytes: 8 * 1024,
  /** Bodies and callers together. */
  bytes: 1024 * 1024,
  /** Body of one answer; a longer one is asked for alone. */
  answerBytes: 64 * 1024,
  /** For this long a request waits for others, in milliseconds. */
  gatherMs: 5,
} as const

export interface BatchedRequest {
  caller: Caller
  body: Uint8Array
}

const Head = z.array(z.strictObject({ caller: Caller, bytes: z.int().min(0).max(batchBounds.requestBytes) }))
const LINE_FEED = 10

export function writeRequestBatch(requests: readonly BatchedRequest[]): Uint8Array {
  const head = requests.map(({ caller, body }) => ({ caller, bytes: body.length }))
  return joined([new TextEncoder().encode(`${JSON.stringify(head)}\n`), ...requests.map(({ body }) => body)])
}

/** The bodies are views of `bytes`. Undefined when it is not what `writeRequestBatch` writes. */
export function readRequestBatch(bytes: Uint8Array): BatchedRequest[] | undefined {
  const end = bytes.indexOf(LINE_FEED)
  if (end === -1) return undefined
  const head = Head.min(1)
    .max(batchBounds.requests)
    .safeParse(parsed(bytes.subarray(0, end)))
  if (!head.success) return undefined
  let at = end + 1
  const requests = head.data.map(({ caller, bytes: length }) => {
    const body = bytes.subarray(at, at + length)
    at += length
    return { caller, body }
  })
  return at === bytes.length ? requests : undefined
}

function parsed(line: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(line))
  } catch {
    return undefined
  }
}

/** What an answer may call itself; the first asks for the request once more, alone. */
const kinds = ['alone', 'application/json', 'application/problem+json', 'application/octet-stream'] as const

export interface BatchedAnswer {
  /** Which request of the batch, counted from 0. */
  request: number
  /** HTTP status. */
  status: number
  contentType: (typeof kinds)[number]
  body: Uint8Array
}

const FRAME_HEAD_BYTES = 9

/** One that does not fit asks for its request once more, alone. */
export function writeAnswerFrame(request: number, status: number, contentType: string, body: Uint8Array): Uint8Array {
  const kind = (kinds as readonly string[]).indexOf(contentType)
  const fits = kind > 0 && body.length <= batchBounds.answerBytes
  const frame = new Uint8Array(FRAME_HEAD_BYTES + (fits ? body.length : 0))
  const view = new DataView(frame.buffer)
  view.setUint16(0, request)
  view.setUint16(2, status)
  view.setUint8(4, fits ? kind : 0)
  view.setUint32(5, frame.length - FRAME_HEAD_BYTES)
  if (fits) frame.set(body, FRAME_HEAD_BYTES)
  return frame
}

/**
 * Takes the bytes of an answer as they come, and gives what is whole. Holds one frame at most.
 * @throws when they are no frames
 */
export function answerFrameReader(): (piece: Uint8Array) => BatchedAnswer[] {
  let held = new Uint8Array()
  return (piece) => {
    const bytes = held.length === 0 ? piece : joined([held, piece])
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const answers: BatchedAnswer[] = []
    let at = 0
    while (bytes.length - at >= FRAME_HEAD_BYTES) {
      const length = view.getUint32(at + 5)
      const contentType = kinds[view.getUint8(at + 4)]
      if (contentType === undefined || length > batchBounds.answerBytes)
        throw new Error('this is no frame of an answer')
      const end = at + FRAME_HEAD_BYTES + length
      if (end > bytes.length) break
      const body = bytes.subarray(at + FRAME_HEAD_BYTES, end)
      answers.push({ request: view.getUint16(at), status: view.getUint16(at + 2), contentType, body })
      at = end
    }
    held = bytes.slice(at)
    return answers
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
