/** Reads what a stored version is and where its bytes are, page by page: memory holds one page at a time. */
import { type ContentId, type ManifestRoot, ProblemError, type Result, type Sha256 } from '@sluice/protocol'
import type { ChunkLocation } from '../pack/chunk-location.ts'
import { type Layout, openLayoutPage, openLayoutRoot } from '../page/layout.ts'
import type { Store } from '../stores/store.ts'
import { type ManifestPage, openManifestPage, readManifestRoot } from './manifest.ts'

/** A version as the library knows it. */
export interface StoredVersion {
  contentId: ContentId
  /** The manifest root. */
  root: Uint8Array
  layout: { hash: Sha256; sizeBytes: number }
}

export interface VersionReader {
  manifest: ManifestRoot
  layout: Layout
  /** The names of page `number`'s two objects, with their sealed sizes. */
  named(number: number): Layout['root']['pages'][number]
  page(number: number): Promise<ManifestPage>
  /** The location of each chunk of a page, in their order. */
  locations(number: number, page: ManifestPage): Promise<ChunkLocation[]>
}

/** Expected failures of the store and of damaged pages are thrown as `ProblemError`, here and later. */
export async function openVersion(
  { store, packageKey, signal }: { store: Store; packageKey: Uint8Array; signal?: AbortSignal | undefined },
  version: StoredVersion,
): Promise<VersionReader> {
  async function read(hash: Sha256): Promise<Buffer> {
    signal?.throwIfAborted()
    const { body } = must(await store.get({ kind: 'page', hash }, undefined, signal))
    return Buffer.concat(await body.toArray())
  }
  const manifest = must(readManifestRoot(version.root, version.contentId))
  const layout = must(openLayoutRoot(await read(version.layout.hash), packageKey, version.contentId))
  const named = (number: number) => {
    const page = layout.root.pages[number]
    if (page === undefined) throw new Error(`the layout of ${version.contentId} has no page ${number}`)
    return page
  }
  return {
    manifest,
    layout,
    named,
    page: async (number) => must(openManifestPage(await read(named(number).manifest), packageKey, manifest, number)),
    locations: async (number, page) => must(openLayoutPage(await read(named(number).layout), packageKey, layout, page)),
  }
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new ProblemError(result.problem)
  return result.value
}
