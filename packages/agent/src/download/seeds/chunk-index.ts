/**
 * Where chunks may be found on this device: a place for each chunk id, in 12 to 24 bytes a chunk. It keeps the
 * first 48 bits of an id only: whoever reads at the place hashes what is there.
 */
import type { Sha256 } from '@sluice/protocol'

export interface ChunkIndex {
  /** Keeps the first place of a chunk. False when it takes no more. */
  add(id: Sha256, place: number): boolean
  /** A place where the chunk probably is. */
  find(id: Sha256): number | undefined
  size(): number
}

const FULLEST = 0.7

/** @param most chunks; what comes after is not kept */
export function createChunkIndex(most: number): ChunkIndex {
  let capacity = 1024
  /** 0: nothing there. */
  let keys = new Float64Array(capacity)
  let places = new Uint32Array(capacity)
  let size = 0

  /** The slot of a key, or the free one where it belongs. */
  const slotOf = (key: number) => {
    let slot = key % capacity
    while (keys[slot] !== 0 && keys[slot] !== key) slot = slot + 1 === capacity ? 0 : slot + 1
    return slot
  }
  const grow = () => {
    const [oldKeys, oldPlaces] = [keys, places]
    capacity *= 2
    keys = new Float64Array(capacity)
    places = new Uint32Array(capacity)
    for (const [i, key] of oldKeys.entries()) {
      if (key === 0) continue
      const slot = slotOf(key)
      keys[slot] = key
      places[slot] = oldPlaces[i] ?? 0
    }
  }
  return {
    add(id, place) {
      const key = keyOf(id)
      const slot = slotOf(key)
      if (keys[slot] === key) return true
      if (size >= most) return false
      keys[slot] = key
      places[slot] = place
      size += 1
      if (size > capacity * FULLEST) grow()
      return true
    },
    find(id) {
      const key = keyOf(id)
      const slot = slotOf(key)
      return keys[slot] === key ? places[slot] : undefined
    },
    size: () => size,
  }
}

const keyOf = (id: Sha256) => Number.parseInt(id.slice(0, 12), 16) || 1
