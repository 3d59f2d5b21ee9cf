/**
 * Pages of manifest and layout, as they are needed and a little before.
 *
 * Owns: which layout is true now (D5 of `download.ts`). Does not own: bytes of pages (`fetch-page.ts`).
 */
import {
  type ChunkLocation,
  type Layout,
  type ManifestPage,
  openLayoutPage,
  openLayoutRoot,
  openManifestPage,
} from '@sluice/content'
import type { ManifestRoot, Problem, Sha256 } from '@sluice/protocol'
import { failed, ok, problem, type Result } from '@sluice/protocol'
import type { DownloadOrder } from './download.ts'
import { fetchPage } from './fetch-page.ts'

/** What opens a content's pages, and where its layout is. */
export interface ContentAccess {
  /** 32 bytes. */
  packageKey: Uint8Array
  layout: { hash: Sha256; sizeBytes: number }
}

/** Layouts that may be wrong one after the other without a byte in between. */
export const MOST_LAYOUTS = 5

export interface Layouts {
  manifestPage(number: number): Promise<Result<ManifestPage>>
  /** Where the chunks of a page lie now. */
  locations(number: number, page: ManifestPage): Promise<Result<{ chunks: ChunkLocation[]; layout: Layout }>>
  /** @param gone what is no longer where the layout says */
  renew(gone: Problem): Promise<Result<void>>
}

/** Packs whose addresses are asked for together with the first pages. */
const FIRST_PACKS = 16

/**
 * Pages of manifest and layout by number; the layout root is loaded when it is first needed. On a long
 * line every question costs a round trip, so those that will be asked anyway are asked together: both
 * pages of a number and of the next one, and where the first packs are.
 */
export function createLayouts(order: DownloadOrder, root: ManifestRoot): Layouts {
  const { contentId, source } = order
  let loaded: { access: ContentAccess; layout: Layout } | undefined
  /** Pages that are on their way. */
  const coming = new Map<Sha256, Promise<Result<Uint8Array>>>()

  const pageBytes = (hash: Sha256, sizeBytes: number): Promise<Result<Uint8Array>> => {
    const known = coming.get(hash)
    if (known !== undefined) return known
    const fetched = fetchPage({ contentId, hash, sizeBytes }, source).finally(() => coming.delete(hash))
    // Whoever needs it hears what became of it.
    fetched.catch(() => {})
    coming.set(hash, fetched)
    return fetched
  }
  const expectPages = ({ root: { pages } }: Layout, number: number) => {
    // Whoever needs it hears what became of it.
    for (const named of pages.slice(number, number + 2))
      for (const page of [pageBytes(named.manifest, named.manifestBytes), pageBytes(named.layout, named.layoutBytes)])
        page.catch(() => {})
  }
  const expectPacks = ({ packs }: Layout) => {
    for (const hash of [...packs.keys()].slice(0, FIRST_PACKS)) void source.urls.get({ contentId, kind: 'pack', hash })
  }

  const load = async (access: Result<ContentAccess>): Promise<Result<{ access: ContentAccess; layout: Layout }>> => {
    if (!access.ok) return access
    const bytes = await fetchPage({ contentId, ...access.value.layout }, source)
    if (!bytes.ok) return bytes
    const layout = openLayoutRoot(bytes.value, access.value.packageKey, contentId)
    if (!layout.ok) return layout
    if (layout.value.root.pages.length !== root.pages.length)
      return failed(problem('MANIFEST_REFUSED', `The layout of ${contentId} has another number of pages.`))
    loaded = { access: access.value, layout: layout.value }
    // What is here already is only read again.
    if (order.trustLedger && order.files === undefined) expectPacks(layout.value)
    return ok(loaded)
  }
  /** Objects of the layout that are gone are a layout that is no longer true. */
  const withLayout = async <T>(
    use: (at: { access: ContentAccess; layout: Layout }) => Promise<Result<T>>,
  ): Promise<Result<T>> => {
    let gone: Problem | undefined
    for (let tries = 0; tries < MOST_LAYOUTS; tries++) {
      const at = loaded === undefined ? await load(await insist(order.access, gone, order)) : ok(loaded)
      const result = at.ok ? await use(at.value) : at
      if (result.ok || result.problem.code !== 'PACK_GONE') return result
      gone = result.problem
      loaded = undefined
    }
    return failed(gone ?? problem('PACK_GONE', contentId))
  }

  return {
    manifestPage: (number) =>
      withLayout(async ({ access, layout }) => {
        const named = layout.root.pages[number]
        if (named === undefined) return failed(problem('MANIFEST_REFUSED', `The layout has no page ${number}.`))
        // Of some files only, most pages have nothing.
        if (order.trustLedger && order.files === undefined) expectPages(layout, number)
        const bytes = await pageBytes(named.manifest, named.manifestBytes)
        return bytes.ok ? openManifestPage(bytes.value, access.packageKey, root, number) : bytes
      }),
    locations: (number, page) =>
      withLayout(async ({ access, layout }) => {
        const named = layout.root.pages[number]
        if (named === undefined) return failed(problem('MANIFEST_REFUSED', `The layout has no page ${number}.`))
        const bytes = await pageBytes(named.layout, named.layoutBytes)
        if (!bytes.ok) return bytes
        const chunks = openLayoutPage(bytes.value, access.packageKey, layout, page)
        return chunks.ok ? ok({ chunks: chunks.value, layout }) : chunks
      }),
    async renew(gone) {
      const next = await load(await insist(order.access, gone, order))
      return next.ok ? ok(undefined) : next
    },
  }
}

/** Asks for access; anew when an object of the last one was gone. */
function insist(
  ask: () => Promise<Result<ContentAccess>>,
  gone: Problem | undefined,
  order: DownloadOrder,
): Promise<Result<ContentAccess>> {
  return order.patience.insist(gone === undefined ? ask : () => order.renewAccess(gone), order.signal)
}
