/**
 * When what was written becomes durable, for all pages of a download together: files are flushed, and only
 * then the ledger says what lies in them.
 *
 *   K1. No more than `CHECKPOINT_BYTES` are written and not yet in the ledger: who wants to write more waits.
 *   K2. What was written is in the ledger 5 s later, or as soon as the disk has it.
 *   K3. Flushes come one after the other, and the line goes on meanwhile.
 *   K4. A flush that failed fails everything that is written afterwards.
 */
import type { ChunkBits } from './ledger.ts'

/** What a power cut may cost, in all. */
const CHECKPOINT_BYTES = 64 * 1024 * 1024
/** A flush begins with so much, so that the next one finds room while it works. */
const FLUSH_BYTES = CHECKPOINT_BYTES / 4
const CHECKPOINT_MS = 5_000

/** What the ledger has of one page. */
export interface PageBits {
  number: number
  bits: ChunkBits
}

export interface Checkpoint {
  /**
   * Runs `work`, which writes chunks of the page and says whether it did; it waits for its turn when too
   * much is at risk (K1). Rejects as `work` does, and as in K4.
   */
  write(page: PageBits, chunks: readonly WrittenChunk[], work: () => Promise<boolean>): Promise<boolean>
  /** The flush under way, if any, has ended. Rejects as in K4. */
  settled(): Promise<void>
  /** Nothing is begun any more. */
  close(): void
}

interface WrittenChunk {
  index: number
  sizeBytes: number
}

/** @param sync makes durable what was written before it began; @param commit writes pages into the ledger */
export function createCheckpoint(sync: () => Promise<void>, commit: (pages: readonly PageBits[]) => void): Checkpoint {
  let landed = new Map<PageBits, number[]>()
  let landedBytes = 0
  /** Also what is just being written or flushed. */
  let bytesAtRisk = 0
  let flushing: Promise<void> | undefined
  let timer: NodeJS.Timeout | undefined
  let closed = false

  const flush = async () => {
    const [safe, bytes] = [landed, landedBytes]
    landed = new Map()
    landedBytes = 0
    await sync()
    for (const [page, indexes] of safe) for (const index of indexes) page.bits.add(index)
    commit([...safe.keys()])
    bytesAtRisk -= bytes
    flushing = undefined
    arm()
  }
  const begin = () => {
    clearTimeout(timer)
    timer = undefined
    // K3
    if (flushing !== undefined || landedBytes === 0 || closed) return
    flushing = flush()
    // K4: it stays, for whoever writes next.
    flushing.catch(() => {})
  }
  const arm = () => {
    if (landedBytes >= FLUSH_BYTES) begin()
    // K2
    else if (landedBytes > 0 && !closed) timer ??= setTimeout(begin, CHECKPOINT_MS)
  }
  const room = async (bytes: number) => {
    while (bytesAtRisk + bytes > CHECKPOINT_BYTES) {
      begin()
      // Nothing has landed: all of it is being written.
      if (flushing === undefined) return
      await flushing
    }
  }

  return {
    async write(page, chunks, work) {
      const bytes = chunks.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      await room(bytes)
      bytesAtRisk += bytes
      const written = await work()
      if (!written) {
        bytesAtRisk -= bytes
        return false
      }
      const indexes = landed.get(page) ?? []
      landed.set(page, indexes)
      for (const { index } of chunks) indexes.push(index)
      landedBytes += bytes
      arm()
      return true
    },
    settled: async () => void (await flushing),
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
