/**
 * What a gateway holds, as far as a library sees it: it reads its lists, holds what they name and nothing else,
 * and says so. Between two readings it knows nothing new.
 */
import type { ContentId, GatewayId, Sha256 } from '@sluice/protocol'
import type { LibraryWorld } from './library-world.ts'

export interface SimpleGateway {
  id: GatewayId
  readLists(): Promise<void>
  /** Milliseconds since it last read them. */
  sinceReadMs(): number
  /** Whether a device that may fetch the content gets all of these objects from it. */
  serves(contentId: ContentId, objects: Iterable<Sha256>): boolean
  knows(contentId: ContentId): boolean
}

export function createSimpleGateway(site: LibraryWorld, id: GatewayId): SimpleGateway {
  let lists = new Map<ContentId, Set<Sha256>>()
  let readAt = Number.NEGATIVE_INFINITY
  return {
    id,
    async readLists() {
      const read = new Map<ContentId, Set<Sha256>>()
      for (const { contentId, own } of await site.library.gatewayContents(id)) {
        const objects = await site.library.contentObjects(contentId)
        if (own && objects.ok) read.set(contentId, new Set(objects.value.map(({ hash }) => hash)))
      }
      lists = read
      readAt = site.clock.now()
      for (const contentId of read.keys()) await site.install(id, contentId)
    },
    sinceReadMs: () => site.clock.now() - readAt,
    serves: (contentId, objects) => [...objects].every((hash) => lists.get(contentId)?.has(hash) === true),
    knows: (contentId) => lists.has(contentId),
  }
}
