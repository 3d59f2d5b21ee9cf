/**
 * Sealed layout roots that are sent with grants, so that a device need not ask for them. Without one a device
 * fetches it, which takes longer and nothing else; so what cannot be read is left out.
 */
import type { Store } from '@sluice/content'
import { GRANTED_ROOT_BYTES, type Sha256, type StoredObject } from '@sluice/protocol'

export interface LayoutRoots {
  /** Of these, the first ones that are small enough and together go into one answer. */
  of(layouts: readonly Pick<StoredObject, 'hash' | 'sizeBytes'>[]): Promise<ReadonlyMap<Sha256, Uint8Array>>
}

/** Of all roots in one answer. */
const ANSWER_BYTES = 256 * 1024
/** Kept in memory: devices of one deployment ask for the same ones. */
const KEPT_ROOTS = 128

export function createLayoutRoots(store: Pick<Store, 'get'>): LayoutRoots {
  /** In the order of their last use. */
  const kept = new Map<Sha256, Uint8Array>()

  const read = async (hash: Sha256, sizeBytes: number): Promise<Uint8Array | undefined> => {
    const got = await store.get({ kind: 'page', hash }, { start: 0, end: sizeBytes })
    return got.ok ? Buffer.concat(await got.value.body.toArray()) : undefined
  }
  const rootOf = async (hash: Sha256, sizeBytes: number): Promise<Uint8Array | undefined> => {
    const bytes = kept.get(hash) ?? (await read(hash, sizeBytes).catch(() => undefined))
    if (bytes === undefined) return undefined
    kept.delete(hash)
    kept.set(hash, bytes)
    for (const oldest of kept.keys()) {
      if (kept.size <= KEPT_ROOTS) break
      kept.delete(oldest)
    }
    return bytes
  }

  return {
    async of(layouts) {
      const roots = new Map<Sha256, Uint8Array>()
      let bytesLeft = ANSWER_BYTES
      for (const { hash, sizeBytes } of layouts) {
        if (sizeBytes > GRANTED_ROOT_BYTES || sizeBytes > bytesLeft) continue
        const bytes = await rootOf(hash, sizeBytes)
        if (bytes === undefined) continue
        roots.set(hash, bytes)
        bytesLeft -= bytes.length
      }
      return roots
    },
  }
}
