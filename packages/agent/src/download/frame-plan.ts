/** From chunks that lack to the ranges that bring them: frames, each once, and neighbours together. */
import type { ByteRange, ChunkLocation, ChunkRef, PackInfo } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'

/** Where bytes belong in the folder of the content. */
export interface Place {
  path: string
  offset: number
}

/** A chunk of a page that is not at all of its places. */
export interface LackingChunk extends ChunkRef {
  /** Among the distinct chunks of the page. */
  index: number
  places: readonly Place[]
}

export interface Frame {
  pack: PackInfo
  offset: number
  /** Sealed. */
  sizeBytes: number
  /** Of the plain bytes. */
  hash: Sha256
  chunks: (LackingChunk & { offsetInFrame: number })[]
}

/** Frames of one pack, one right after the other; or a stretch of one frame, of which others bring the rest. */
export interface FrameRange {
  pack: PackInfo
  range: ByteRange
  frames: Frame[]
  /** What the stretches of a frame come together in; undefined: all frames are in the range as a whole. */
  shared?: SharedFrame
}

/** A frame that several streams bring together. */
export interface SharedFrame {
  /** Of the whole frame; undefined before its first bytes and after its last ones. */
  sealed: Uint8Array<ArrayBuffer> | undefined
  /** That have not come. */
  lackingBytes: number
}

/**
 * The frames that hold the chunks, in the order of the packs and of their bytes.
 * @param locations of all distinct chunks of the page; every pack of them is in `packs`
 */
export function planFrames(
  lacking: readonly LackingChunk[],
  locations: readonly ChunkLocation[],
  packs: ReadonlyMap<Sha256, PackInfo>,
): Frame[] {
  const frames = new Map<string, Frame>()
  const order = new Map<Sha256, number>()
  for (const chunk of lacking) {
    const at = locations[chunk.index]
    const pack = at === undefined ? undefined : packs.get(at.pack)
    if (at === undefined || pack === undefined) throw new Error(`chunk ${chunk.id} has no location`)
    if (!order.has(pack.hash)) order.set(pack.hash, order.size)
    const key = `${at.pack} ${at.frameOffset} ${at.frameBytes} ${at.frameHash}`
    let frame = frames.get(key)
    if (frame === undefined) {
      frame = { pack, offset: at.frameOffset, sizeBytes: at.frameBytes, hash: at.frameHash, chunks: [] }
      frames.set(key, frame)
    }
    frame.chunks.push({ ...chunk, offsetInFrame: at.offsetInFrame })
  }
  const rank = (frame: Frame) => order.get(frame.pack.hash) ?? 0
  return [...frames.values()].sort((a, b) => rank(a) - rank(b) || a.offset - b.offset)
}

/** Merges neighbours: never a byte between two frames that are needed, at most `maxBytes` a range. */
export function mergeRanges(frames: readonly Frame[], maxBytes: number): FrameRange[] {
  const queue = createFrameQueue(frames)
  const ranges: FrameRange[] = []
  for (let range = queue.next(maxBytes); range !== undefined; range = queue.next(maxBytes)) ranges.push(range)
  return ranges
}

const KiB = 1024
/** A range should keep its stream busy so long, or asking costs more than it brings. */
const BUSY_MS = 1_000
/** The last ranges: what asking costs one stream is used by the others, and what counts is that all end together. */
const LAST_BUSY_MS = 400

/**
 * Size of the next range: a share of what is left, so that ranges are long at first and all streams end
 * together; not so small that a stream asks more than it fetches.
 * @param rate of one stream, in bytes per millisecond; undefined when it is not known yet
 * @param ending nothing comes after what is left
 */
export function rangeSize(leftBytes: number, streams: number, rate: number | undefined, ending = false): number {
  // A long one would be the last when its stream turns out to be slow.
  if (rate === undefined) return 512 * KiB
  const [busyMs, smallest] = ending ? [LAST_BUSY_MS, 64 * KiB] : [BUSY_MS, 128 * KiB]
  const least = Math.min(1024 * KiB, Math.max(smallest, rate * busyMs))
  return Math.min(16 * 1024 * KiB, Math.max(least, Math.ceil(leftBytes / (streams * 3))))
}

/** Frames that are still to be fetched, given out in ranges from the front. */
export interface FrameQueue {
  /**
   * The next range, of at most `maxBytes` or one frame; undefined when nothing is left. With `split` a frame
   * that is larger comes in stretches of about that size.
   */
  next(maxBytes: number, split?: boolean): FrameRange | undefined
  /** Sealed bytes that were not given out. */
  leftBytes(): number
}

/** @param frames in the order in which they are to be fetched */
export function createFrameQueue(frames: readonly Frame[]): FrameQueue {
  let at = 0
  /** Of the first frame that is left: what was given out. */
  let begun: { shared: SharedFrame; bytes: number } | undefined
  let leftBytes = frames.reduce((sum, frame) => sum + frame.sizeBytes, 0)
  return {
    leftBytes: () => leftBytes,
    next(maxBytes, split = false) {
      const first = frames[at]
      if (first === undefined) return undefined
      const stretches = (first.sizeBytes - (begun?.bytes ?? 0)) / maxBytes
      if (begun !== undefined || (split && Math.round(stretches) > 1)) return stretch(first, stretches)
      const range = { start: first.offset, end: first.offset }
      const taken: Frame[] = []
      for (let frame = frames[at]; frame !== undefined && joins(frame); frame = frames[++at]) {
        taken.push(frame)
        range.end += frame.sizeBytes
        leftBytes -= frame.sizeBytes
      }
      return { pack: first.pack, range, frames: taken }

      function joins({ pack, offset, sizeBytes }: Frame): boolean {
        if (taken.length === 0) return true
        return pack.hash === first?.pack.hash && offset === range.end && offset + sizeBytes - range.start <= maxBytes
      }
    },
  }

  /** The next of so many equal ones: the last is no crumb. */
  function stretch(frame: Frame, count: number): FrameRange {
    begun ??= { shared: { sealed: undefined, lackingBytes: frame.sizeBytes }, bytes: 0 }
    const { shared, bytes } = begun
    const end = bytes + Math.ceil((frame.sizeBytes - bytes) / Math.max(1, Math.round(count)))
    begun.bytes = end
    leftBytes -= end - bytes
    if (end === frame.sizeBytes) {
      begun = undefined
      at += 1
    }
    const range = { start: frame.offset + bytes, end: frame.offset + end }
    return { pack: frame.pack, range, frames: [frame], shared }
  }
}
