/** What a manifest says about one entry of the folder, and about the chunks that its files are made of. */
import type { Sha256 } from '@sluice/protocol'

/** One stretch of a file, in file order. A hole is zeros that are neither stored nor fetched. */
export type Extent = { kind: 'chunk'; id: Sha256; sizeBytes: number } | { kind: 'hole'; sizeBytes: number }

export interface ChunkRef {
  /** SHA-256 of the plain bytes. */
  id: Sha256
  sizeBytes: number
}

interface EntryCommon {
  /** Relative to the package's folder, `/` between names; checked against the rules of the target. */
  path: string
  /** Milliseconds since 1970. */
  modifiedMs: number
}

/** A file, or a part of one: the extents of a large file may go on over several pages. */
export interface FilePart extends EntryCommon {
  kind: 'file'
  executable: boolean
  /** Of the whole file. */
  sizeBytes: number
  /** Where in the file the extents of this part begin; 0 in the first part. */
  offset: number
  extents: Extent[]
}

/** Kept as text; nothing ever followed it. */
export interface SymlinkEntry extends EntryCommon {
  kind: 'symlink'
  target: string
}

/** A folder with nothing in it; others follow from the paths of their files. */
export interface EmptyFolder extends EntryCommon {
  kind: 'folder'
}

export type FileEntry = FilePart | SymlinkEntry | EmptyFolder
