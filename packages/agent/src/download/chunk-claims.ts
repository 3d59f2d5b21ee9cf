/**
 * Which page fetches a chunk that several pages lack at the same time: the first one. The others copy it when
 * it is there.
 */
import type { Sha256 } from '@sluice/protocol'
import type { LackingChunk } from './frame-plan.ts'

export interface ChunkClaims {
  /** @returns what the page is to fetch itself, and what an earlier page is fetching */
  claim(page: number, lacking: readonly LackingChunk[]): { own: LackingChunk[]; others: LackingChunk[] }
  /** What the page claimed is there, or will not come. */
  release(page: number): void
}

/** @param isHere says that a chunk came since it was looked for */
export function createChunkClaims(isHere: (id: Sha256) => boolean): ChunkClaims {
  const claimed = new Map<Sha256, number>()
  return {
    claim(page, lacking) {
      const { own = [], others = [] } = Object.groupBy(lacking, ({ id }) =>
        claimed.has(id) || isHere(id) ? 'others' : 'own',
      )
      for (const { id } of own) claimed.set(id, page)
      return { own, others }
    },
    release(page) {
      for (const [id, by] of claimed) if (by === page) claimed.delete(id)
    },
  }
}
