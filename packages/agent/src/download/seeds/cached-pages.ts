/**
 * Manifest pages of what the cache holds, as they lie on this device: they tell where each chunk of a cached
 * content is. Nothing is fetched for that; what is not here any more is no seed.
 */
import { type ManifestPage, openLayoutRoot, openManifestPage, readManifestRoot } from '@sluice/content'
import type { CacheRow } from '../../cache/cache-rows.ts'
import type { PageFolder } from '../page-folder.ts'

export interface CachedPages {
  pageCount: number
  /** Undefined when it is not here. */
  page(number: number): Promise<ManifestPage | undefined>
}

export async function openCachedPages(
  { contentId, key }: Pick<CacheRow, 'contentId' | 'key'>,
  pages: PageFolder,
): Promise<CachedPages | undefined> {
  const rootBytes = await pages.get(contentId)
  const layoutBytes = key === undefined ? undefined : await pages.get(key.layout.hash)
  if (key === undefined || rootBytes === undefined || layoutBytes === undefined) return undefined
  const root = readManifestRoot(rootBytes, contentId)
  const layout = openLayoutRoot(layoutBytes, key.packageKey, contentId)
  if (!root.ok || !layout.ok) return undefined
  return {
    pageCount: root.value.pages.length,
    async page(number) {
      const named = layout.value.root.pages[number]
      const sealed = named === undefined ? undefined : await pages.get(named.manifest)
      const page = sealed === undefined ? undefined : openManifestPage(sealed, key.packageKey, root.value, number)
      return page?.ok ? page.value : undefined
    },
  }
}
