/**
 * Small sealed pages that are sent with an answer, so that a device need not ask for them. Without one a device
 * fetches it, which takes longer and nothing else; so what cannot be read is left out.
 */
import type { Sha256, StoredObject } from '@sluice/protocol'
import type { Store } from './store.ts'

export interface SmallPages {
  /** Of these, the first ones that are small enough and together go into one answer. Never rejects. */
  of(pages: Iterable<Pick<StoredObject, 'hash' | 'sizeBytes'>>): Promise<ReadonlyMap<Sha256, Uint8Array>>
}

/**
 * @param bounds.pageBytes largest page that is sent; @param bounds.answerBytes of all pages in one answer
 * @param bounds.keptPages held in memory: devices of one deployment ask for the same ones
 */
export function createSmallPages(
  store: Pick<Store, 'get'>,
  bounds: { pageBytes: number; answerBytes: number; keptPages: number },
): SmallPages {
  /** In the order of their last use. */
  const kept = new Map<Sha256, Uint8Array>()

  const read = async (hash: Sha256, sizeBytes: number): Promise<Uint8Array | undefined> => {
    const got = await store.get({ kind: 'page', hash }, { start: 0, end: sizeBytes })
    return got.ok ? Buffer.concat(await got.value.body.toArray()) : undefined
  }
  const pageOf = async (hash: Sha256, sizeBytes: number): Promise<Uint8Array | undefined> => {
    const bytes = kept.get(hash) ?? (await read(hash, sizeBytes).catch(() => undefined))
    if (bytes === undefined) return undefined
    kept.delete(hash)
    kept.set(hash, bytes)
    for (const oldest of kept.keys()) {
      if (kept.size <= bounds.keptPages) break
      kept.delete(oldest)
    }
    return bytes
  }

  return {
    async of(wanted) {
      const pages = new Map<Sha256, Uint8Array>()
      let bytesLeft = bounds.answerBytes
      for (const { hash, sizeBytes } of wanted) {
        if (sizeBytes > bounds.pageBytes || sizeBytes > bytesLeft || pages.has(hash)) continue
        const bytes = await pageOf(hash, sizeBytes)
        if (bytes === undefined) continue
        pages.set(hash, bytes)
        bytesLeft -= bytes.length
      }
      return pages
    },
  }
}
