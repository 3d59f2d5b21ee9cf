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

/** Frames of one pack, one right after the other. */
export interface FrameRange {
  pack: PackInfo
  range: ByteRange
  frames: Frame[]
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
  const ranges: FrameRange[] = []
  for (const frame of frames) {
    const last = ranges.at(-1)
    const end = frame.offset + frame.sizeBytes
    if (
      last !== undefined &&
      last.pack.hash === frame.pack.hash &&
      last.range.end === frame.offset &&
      end - last.range.start <= maxBytes
    ) {
      last.range.end = end
      last.frames.push(frame)
    } else ranges.push({ pack: frame.pack, range: { start: frame.offset, end }, frames: [frame] })
  }
  return ranges
}

const MiB = 1024 * 1024
/** Large enough for long reads, small enough that every stream has something to do to the end. */
export function rangeSize(totalBytes: number, streams: number): number {
  return Math.min(16 * MiB, Math.max(MiB, Math.ceil(totalBytes / (streams * 3))))
}
