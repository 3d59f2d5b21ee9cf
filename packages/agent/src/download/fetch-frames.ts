/**
 * Brings frames from packs: ranges of neighbouring frames over as many streams as the line rewards. A frame
 * is opened and checked before anything of it is passed on; what was passed on is never asked for again,
 * whatever happens to the range it came with.
 *
 * While frames of a stream are opened and written, the next one comes in, as long as there is memory for it;
 * then the connection waits.
 *
 * The last frames of a download come in stretches over several streams, so that all of these end together.
 * Whoever brings the last stretch answers for the frame: when it is not right, it fetches all of it.
 */
import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import type { ObjectTarget } from '../gateway-client/gateway-client.ts'
import type { Line } from './budget/line.ts'
import { fetchRange } from './fetch-range.ts'
import { createFrameQueue, type Frame, type FrameRange, mergeRanges, type SharedFrame } from './frame-plan.ts'
import type { FrameMemory } from './frame-thread.ts'
import type { Patience } from './patience.ts'
import type { StreamPool } from './stream-pool.ts'
import type { Tally } from './tally.ts'

export interface FrameOrder {
  frames: readonly Frame[]
  streams: StreamPool
  idleMs: number
  line: Line | undefined
  signal: AbortSignal
  patience: Patience
  tally: Tally
  /** How to reach a pack now. */
  locate: (range: FrameRange) => Promise<Result<ObjectTarget>>
  /** What came of the address was wrong. Gives the reason as it is to be taken. */
  forget: (range: FrameRange, reason: Problem, target: ObjectTarget) => Problem
  /** What came of the address was right. */
  worked: (range: FrameRange) => void
  /** For sealed frames; `take` takes it. */
  memory: FrameMemory
  /** Opens and takes a frame. False when it is not the right one; what it throws ends everything and passes through. */
  take: (frame: Frame, sealed: Uint8Array<ArrayBuffer>) => Promise<boolean>
}

/** A frame that came wrong so often will not come right. */
const MOST_CORRUPT = 3

/** Problems: `CONTENT_CORRUPT`, `PACK_GONE`, or what patience ended with. */
export async function fetchFrames(order: FrameOrder): Promise<Result<void>> {
  const queue = createFrameQueue(order.frames)
  const enough = new AbortController()
  const signal = AbortSignal.any([order.signal, enough.signal])
  /** The first thing that ends it all; the other streams then end with an abort that says nothing. */
  let end: { problem: Problem } | { error: unknown } | undefined
  let underWay = 0
  const over = Promise.withResolvers<void>()
  const leftBytes = () => (end === undefined ? queue.leftBytes() : 0)

  const shared = new Set<SharedFrame>()

  const bringNext = async (maxBytes: number, split: boolean): Promise<number> => {
    const next = queue.next(maxBytes, split)
    if (next === undefined) return 0
    if (next.shared !== undefined) shared.add(next.shared)
    const left = new Set(next.frames)
    const own = { ...order, signal }
    try {
      const stretch = next.shared === undefined ? ok(undefined) : await bringStretch(next, left, own)
      // What is left of a stretch that came is a frame of which others still bring something.
      const done = !stretch.ok || (next.shared?.lackingBytes ?? 0) > 0
      const result = done ? stretch : await order.patience.insist(() => bring(left, maxBytes, own), signal)
      if (result.ok) return next.range.end - next.range.start
      end ??= { problem: result.problem }
    } catch (error) {
      end ??= { error }
    }
    enough.abort()
    return 0
  }
  const remove = order.streams.add({
    leftBytes,
    async bring(maxBytes, split) {
      underWay += 1
      const broughtBytes = await bringNext(maxBytes, split)
      underWay -= 1
      if (underWay === 0 && leftBytes() === 0) over.resolve()
      return { broughtBytes }
    },
  })
  if (order.frames.length > 0) await over.promise
  remove()
  // Those that did not come whole.
  for (const { sealed } of shared) if (sealed !== undefined) order.memory.free(sealed)
  if (end === undefined) return ok(undefined)
  if ('problem' in end) return failed(end.problem)
  throw end.error
}

/** Tries until the stretch is there; when it was the last of its frame and that is right, it leaves `left`. */
const bringStretch = (stretch: FrameRange, left: Set<Frame>, order: FrameOrder): Promise<Result<void>> =>
  order.patience.insist(async () => {
    const wrong = await bringRange(stretch, left, order)
    return wrong === undefined ? ok(undefined) : failed(wrong)
  }, order.signal)

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
  const { patience, tally, streams, memory } = order
  const target = await order.locate(range)
  if (!target.ok) return target.problem
  const { shared } = range
  const frames = range.frames.values()
  let frame = frames.next().value
  let sealed: Uint8Array<ArrayBuffer> | undefined
  /** Where in the frame the next bytes belong, and where in it the range ends. */
  let filled = shared === undefined || frame === undefined ? 0 : range.range.start - frame.offset
  const endIn = (whole: Frame) => Math.min(whole.sizeBytes, range.range.end - whole.offset)
  let uncounted = 0
  /** Frames that came whole, one after the other. */
  let finishing: Promise<void> = Promise.resolve()
  /** What came while there was no memory. */
  const waiting: Buffer[] = []
  let draining: Promise<void> | undefined

  const finish = async (whole: Frame, bytes: Uint8Array<ArrayBuffer>, receivedBytes: number) => {
    let neededBytes = 0
    try {
      if (!(await order.take(whole, bytes))) return void order.forget(range, corrupt(whole), target.value)
      left.delete(whole)
      neededBytes = whole.sizeBytes
    } finally {
      tally.add({ fetchedBytes: receivedBytes, neededBytes })
    }
    patience.progressed()
    order.worked(range)
  }
  const frameEnded = (whole: Frame, bytes: Uint8Array<ArrayBuffer>) => {
    const [receivedBytes, before] = [uncounted, finishing]
    finishing = before.then(() => finish(whole, bytes, receivedBytes))
    // Whoever waits for it hears of a failure.
    finishing.catch(() => {})
    frame = frames.next().value
    sealed = undefined
    filled = 0
    uncounted = 0
  }
  const rangeOfFrameEnded = (whole: Frame, bytes: Uint8Array<ArrayBuffer>) => {
    if (shared === undefined) return frameEnded(whole, bytes)
    shared.lackingBytes -= range.range.end - range.range.start
    if (shared.lackingBytes === 0) {
      shared.sealed = undefined
      return frameEnded(whole, bytes)
    }
    frame = undefined
  }
  /** What there is no memory for. */
  const feed = (piece: Buffer): Buffer => {
    let at = 0
    while (at < piece.length && frame !== undefined) {
      sealed ??= shared?.sealed ?? memory.buffer(frame.sizeBytes)
      if (sealed === undefined) return piece.subarray(at)
      if (shared !== undefined) shared.sealed = sealed
      const count = piece.copy(sealed, filled, at)
      filled += count
      at += count
      if (filled === endIn(frame)) rangeOfFrameEnded(frame, sealed)
    }
    return piece.subarray(piece.length)
  }
  const drain = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      for (let rest = feed(next); rest.length > 0; rest = feed(rest)) await memory.freed()
    draining = undefined
  }
  try {
    const wrong = await fetchRange({
      target: target.value,
      range: range.range,
      objectBytes: range.pack.sizeBytes,
      idleMs: order.idleMs,
      line: order.line,
      signal: order.signal,
      onAnswer: streams.answered,
      onReceived(bytes) {
        uncounted += bytes
        if (target.value.source === 'cloud') tally.add({ cloudBytes: bytes })
        streams.received(bytes)
      },
      take(piece) {
        const rest = draining === undefined ? feed(piece) : piece
        if (rest.length === 0) return undefined
        waiting.push(Buffer.from(rest))
        draining ??= drain()
        return draining
      },
    })
    return wrong === undefined ? undefined : order.forget(range, wrong, target.value)
  } finally {
    if (sealed !== undefined && shared === undefined) memory.free(sealed)
    if (uncounted > 0) tally.add({ fetchedBytes: uncounted })
    // What came whole counts, whatever happened to the rest.
    await finishing
  }
}

const corrupt = ({ sizeBytes, offset, pack }: Frame): Problem =>
  problem('CONTENT_CORRUPT', `${sizeBytes} bytes at ${offset} of pack ${pack.hash} came wrong.`)
