/** Third part of an import: where each chunk of each manifest page lies. */
import { type ContentId, type LayoutRoot, ProblemError, type StoredObject } from '@sluice/protocol'
import type { Hands } from '../hands/hands.ts'
import type { ChunkRef } from '../manifest/file-entry.ts'
import { openManifestPage } from '../manifest/manifest.ts'
import { sha256 } from '../pack/hash.ts'
import { createLocator } from '../pack/locator.ts'
import type { PackWriter } from '../pack/pack.ts'
import { encodeLayoutPage } from '../page/layout.ts'
import { PageKind, sealPage } from '../page/page-seal.ts'
import type { ImportedVersion, ImportOptions } from './import-version.ts'
import { putPage, rootBytes, type WrittenPage, type WrittenTree } from './write-tree.ts'

const PAGES_AT_ONCE = 8

export type LocatedVersion = Pick<ImportedVersion, 'contentId' | 'root' | 'layout' | 'objects' | 'storedBytes'>

export async function locateVersion(
  options: ImportOptions,
  { packs, hands }: { packs: PackWriter; hands: Hands },
  { root, pages, shared }: WrittenTree,
): Promise<LocatedVersion> {
  const manifest = rootBytes(root)
  const contentId = sha256(manifest) as ContentId
  const locator = createLocator(options, packs)
  const chunksOf = (number: number) => readChunks(options, { root, pages }, number)
  // What lies in packs of this version only cannot be scattered.
  if (shared) for (let number = 0; number < pages.length; number++) await locator.weigh(await chunksOf(number))
  if (locator.scattered()) {
    for (let number = 0; number < pages.length; number++) await locator.gather(await chunksOf(number))
    await packs.finish()
  }
  // Nothing is left to read or to compress, and threads take memory.
  await hands.letGo()

  const layout: LayoutRoot = { format: 'sluice-layout/1', contentId, pages: [], packs: [] }
  const objects = new Map<string, StoredObject>()
  let writing: Promise<StoredObject>[] = []
  const settle = async (): Promise<void> => {
    for (const page of await Promise.all(writing)) {
      const { object } = pages[layout.pages.length] as WrittenPage
      layout.pages.push({
        manifest: object.hash,
        manifestBytes: object.sizeBytes,
        layout: page.hash,
        layoutBytes: page.sizeBytes,
      })
      for (const each of [object, page]) objects.set(each.hash, each)
    }
    writing = []
  }
  for (let number = 0; number < pages.length; number++) {
    const chunks = await chunksOf(number)
    const plain = encodeLayoutPage(chunks, await locator.locate(chunks))
    const page = sealPage(PageKind.layout, plain, options.packageKey).then((sealed) => putPage(options, sealed))
    page.catch(() => undefined) // `settle` hears of it
    writing.push(page)
    if (writing.length >= PAGES_AT_ONCE) await settle()
  }
  await settle()
  for (const pack of await locator.packs()) {
    layout.packs.push({
      hash: pack.hash,
      sizeBytes: pack.sizeBytes,
      salt: Buffer.from(pack.salt).toString('base64'),
    })
    objects.set(pack.hash, { kind: 'pack', hash: pack.hash, sizeBytes: pack.sizeBytes })
  }
  const sealed = await sealPage(PageKind.layoutRoot, rootBytes(layout), options.packageKey)
  const layoutObject = await putPage(options, sealed)
  objects.set(layoutObject.hash, layoutObject)
  return {
    contentId,
    root: manifest,
    layout: layoutObject,
    objects: [...objects.values()],
    storedBytes: locator.storedBytes(),
  }
}

/** The distinct chunks of a page, read back from the store: memory holds one page at a time. */
async function readChunks(
  options: ImportOptions,
  { root, pages }: Omit<WrittenTree, 'shared'>,
  number: number,
): Promise<ChunkRef[]> {
  options.signal?.throwIfAborted()
  const { object } = pages[number] as WrittenPage
  const got = await options.store.get(object, undefined, options.signal)
  if (!got.ok) throw new ProblemError(got.problem)
  const page = openManifestPage(Buffer.concat(await got.value.body.toArray()), options.packageKey, root, number)
  if (!page.ok) throw new ProblemError(page.problem)
  return page.value.chunks
}
