import type { Sha256 } from '@sluice/protocol'
import type { ChunkIndex, ChunkLocation, PackInfo } from '../pack/chunk-location.ts'

export interface MemoryIndex extends ChunkIndex {
  /** How many chunks were ever stored, copies counted. */
  stored(): number
}

/** An index of chunks that lives as long as the process. */
export function createMemoryIndex(): MemoryIndex {
  const chunks = new Map<Sha256, ChunkLocation[]>()
  const packs = new Map<Sha256, PackInfo>()
  return {
    async find(ids) {
      const found = new Map<Sha256, ChunkLocation[]>()
      for (const id of ids) {
        const locations = chunks.get(id)
        if (locations !== undefined) found.set(id, [...locations])
      }
      return found
    },
    async packs(hashes) {
      return new Map([...packs].filter(([hash]) => hashes.includes(hash)))
    },
    async packWritten({ chunks: added, ...pack }) {
      packs.set(pack.hash, pack)
      for (const { id, location } of added) chunks.set(id, [...(chunks.get(id) ?? []), location])
    },
    stored: () => [...chunks.values()].reduce((sum, locations) => sum + locations.length, 0),
  }
}
