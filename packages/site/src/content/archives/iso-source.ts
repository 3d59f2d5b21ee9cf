/**
 * Images of discs. A disc may have its files twice: Rock Ridge names are whole and carry modes and symlinks,
 * so they come first; then UDF, which is all that discs of Windows have; then Joliet; then ISO 9660 alone.
 */
import { Readable } from 'node:stream'
import type { OpenSource } from '@sluice/content'
import { ok } from '@sluice/protocol'
import { createArchiveTree } from './archive-tree.ts'
import { openImage } from './image.ts'
import { openIso9660 } from './iso9660.ts'
import type { Archive } from './open-archive.ts'
import { openUdf } from './udf.ts'

export const isoSource =
  ({ path, sizeBytes }: Archive): OpenSource =>
  async ({ target, refuseLongPaths, signal }) => {
    const image = await openImage(path, sizeBytes)
    try {
      const iso = await openIso9660(image)
      const found = iso?.names === 'rockRidge' ? iso : ((await openUdf(image)) ?? iso)
      if (found === undefined) throw new Error('it is no image of a disc: neither ISO 9660 nor UDF')
      const tree = createArchiveTree({ target, refuseLongPaths }, sizeBytes)
      for await (const entry of found.entries()) {
        signal?.throwIfAborted()
        tree.add(entry)
      }
      const { survey, entries } = tree.finish('path')
      return ok({ survey, sorted: true, entries: () => Readable.from(entries), close: () => image.close() })
    } catch (error) {
      await image.close()
      throw error
    }
  }
