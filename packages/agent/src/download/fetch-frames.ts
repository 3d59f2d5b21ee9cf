/**
 * Brings frames from packs: ranges of neighbouring frames over several streams at once. A frame is
 * opened and checked before anything of it is passed on; what was passed on is never asked for again,
 * whatever happens to the range it came with.
 */
import { openFrame } from '@sluice/content'
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'
import { fetchRange } from './fetch-range.ts'
import { type Frame, type FrameRange, mergeRanges, rangeSize } from './frame-plan.ts'
import type { Patience } from './patience.ts'
import type { Tally } from './tally.ts'

export interface FrameOrder {
  frames: readonly Frame[]
  /** Ranges that are fetched at the same time. */
  streams: number
  idleMs: number
  signal: AbortSignal
  patience: Patience
  tally: Tally
  /** How to reach a pack now. */
  locate: (range: FrameRange) => Promise<Result<ObjectTarget>>
  /** The address did not work. */
  forget: (range: FrameRange) => void
  /** Takes the plain bytes of a frame; what it throws ends everything and passes through. */
  take: (frame: Frame, plain: Uint8Array) => Promise<void>
}

/** A frame that came wrong so often will not come right. */
const MOST_CORRUPT = 3

/** Problems: `CONTENT_CORRUPT`, `PACK_GONE`, or what patience ended with. */
export async function fetchFrames(order: FrameOrder): Promise<Result<void>> {
  const totalBytes = order.frames.reduce((sum, frame) => sum + frame.sizeBytes, 0)
  const maxBytes = rangeSize(totalBytes, order.streams)
  const queue = mergeRanges(order.frames, maxBytes)
  const enough = new AbortController()
  const signal = AbortSignal.any([order.signal, enough.signal])
  /** The first thing that ends it all; the other streams then end with an abort that says nothing. */
  let end: { problem: Problem } | { error: unknown } | undefined

  const stream = async () => {
    for (let next = queue.shift(); next !== undefined && end === undefined; next = queue.shift()) {
      const left = new Set(next.frames)
      try {
        const result = await order.patience.insist(() => bring(left, maxBytes, { ...order, signal }), signal)
        if (result.ok) continue
        end ??= { problem: result.problem }
      } catch (error) {
        end ??= { error }
      }
      enough.abort()
    }
  }
  await Promise.all(Array.from({ length: order.streams }, stream))
  if (end === undefined) return ok(undefined)
  if ('problem' in end) return failed(end.problem)
  throw end.error
}

/** One try at all that is left of a range; frames that came right leave `left`. */
async function bring(left: Set<Frame>, maxBytes: number, order: FrameOrder): Promise<Result<void>> {
  const corrupt = new Map<Frame, number>()
  while (left.size > 0) {
    for (const range of mergeRanges([...left], maxBytes)) {
      const wrong = await bringRange(range, left, order)
      if (wrong !== undefined) return failed(wrong)
    }
    for (const frame of left) {
      const times = (corrupt.get(frame) ?? 0) + 1
      corrupt.set(frame, times)
      if (times < MOST_CORRUPT) continue
      const where = `${frame.sizeBytes} bytes at ${frame.offset} of pack ${frame.pack.hash}`
      return failed(problem('CONTENT_CORRUPT', `${where} came wrong ${times} times.`))
    }
  }
  return ok(undefined)
}

/** A problem of the connection or the source; frames that came wrong just stay in `left`. */
async function bringRange(range: FrameRange, left: Set<Frame>, order: FrameOrder): Promise<Problem | undefined> {
  const { patience, tally } = order
  const target = await order.locate(range)
  if (!target.ok) return target.problem
  const frames = range.frames.values()
  let frame = frames.next().value
  let sealed = Buffer.allocUnsafe(frame?.sizeBytes ?? 0)
  let filled = 0
  let uncounted = 0

  const frameEnded = async () => {
    if (frame === undefined) return
    const plain = openFrame(sealed, { hash: frame.hash, salt: frame.pack.salt }, frame.chunks)
    if (plain.ok) {
      await order.take(frame, plain.value)
      left.delete(frame)
      tally.add({ fetchedBytes: uncounted, neededBytes: frame.sizeBytes })
      uncounted = 0
      patience.progressed()
    }
    frame = frames.next().value
    sealed = Buffer.allocUnsafe(frame?.sizeBytes ?? 0)
    filled = 0
  }
  try {
    const wrong = await fetchRange({
      target: target.value,
      range: range.range,
      objectBytes: range.pack.sizeBytes,
      idleMs: order.idleMs,
      signal: order.signal,
      onReceived: (bytes) => {
        uncounted += bytes
      },
      async take(piece) {
        for (let at = 0; at < piece.length && frame !== undefined; ) {
          const count = piece.copy(sealed, filled, at)
          filled += count
          at += count
          if (filled === frame.sizeBytes) await frameEnded()
        }
      },
    })
    if (wrong?.code === 'SIGNED_URL_REFUSED' || wrong?.code === 'PACK_GONE') order.forget(range)
    return wrong
  } finally {
    if (uncounted > 0) tally.add({ fetchedBytes: uncounted })
  }
}
