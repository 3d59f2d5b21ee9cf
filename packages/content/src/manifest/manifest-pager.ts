/**
 * Cuts a stream of entries into manifest pages. Where a page ends depends on the path or the chunk
 * that stands there, so a change moves the borders near it and no others, and unchanged pages stay
 * the same objects from version to version.
 */

import { sha256 } from '../pack/hash.ts'
import type { Extent, FileEntry, FilePart } from './file-entry.ts'

/** Sizes by an estimate that is never below the encoded size. */
const MIN_PAGE = 16 * 1024
const MAX_PAGE = 256 * 1024
const ENTRY_BYTES = 48
const EXTENT_BYTES = 40

export interface ManifestPager {
  /** Begins an entry; a file comes without extents. Gives the page that ended before it. */
  begin(entry: FileEntry): FileEntry[] | undefined
  /** The next stretch of the file begun last. Gives the page that ended after it. */
  extend(extent: Extent): FileEntry[] | undefined
  /** What is left; undefined when nothing is. */
  finish(): FileEntry[] | undefined
}

export function createManifestPager(): ManifestPager {
  let entries: FileEntry[] = []
  let estimate = 0
  /** The file that extents belong to; its part may have gone out with the page before. */
  let file: FilePart | undefined
  let offset = 0

  const take = (): FileEntry[] => {
    const page = entries
    entries = []
    estimate = 0
    return page
  }
  const cost = (entry: FileEntry): number =>
    ENTRY_BYTES + Buffer.byteLength(entry.path) + (entry.kind === 'symlink' ? Buffer.byteLength(entry.target) : 0)
  const put = (entry: FileEntry) => {
    entries.push(entry)
    estimate += cost(entry)
  }

  return {
    begin(entry) {
      const full = estimate + cost(entry) + EXTENT_BYTES > MAX_PAGE
      const page = full || (estimate >= MIN_PAGE && isPathBorder(entry.path)) ? take() : undefined
      put(entry)
      file = entry.kind === 'file' ? entry : undefined
      offset = 0
      return page
    },
    extend(extent) {
      if (file === undefined) throw new Error('there is no file to extend')
      let part = entries.at(-1)
      if (part?.kind !== 'file') {
        part = { ...file, offset, extents: [] }
        put(part)
      }
      part.extents.push(extent)
      estimate += EXTENT_BYTES
      offset += extent.sizeBytes
      const full = estimate + EXTENT_BYTES > MAX_PAGE
      return full || (estimate >= MIN_PAGE && isChunkBorder(extent)) ? take() : undefined
    },
    finish: () => (entries.length > 0 ? take() : undefined),
  }
}

/** One path in 256. */
const isPathBorder = (path: string): boolean => sha256(Buffer.from(path)).startsWith('00')

/** One chunk in 1,024. */
const isChunkBorder = (extent: Extent): boolean =>
  extent.kind === 'chunk' && (Number.parseInt(extent.id.slice(0, 3), 16) & 0xffc) === 0
