import type { ContentId, LayoutRoot, ManifestRoot, Result, Sha256 } from '@sluice/protocol'
import type { ChunkLocation } from './chunk-location.ts'
import type { ChunkRef, FileEntry } from './file-entry.ts'

export { syncFolder, writeFileAtomic } from './atomic-file.ts'
export type * from './chunk-location.ts'
export type * from './file-entry.ts'
export { openFolderStore } from './folder-store.ts'
export { sha256 } from './hash.ts'
export type * from './store.ts'

// Signatures first: the bodies follow within the hour, each in its own file.

/** One page of a manifest, opened and checked. */
export interface ManifestPage {
  entries: FileEntry[]
  /** The distinct chunks of the page, in order of first use. */
  chunks: ChunkRef[]
}

/** Checks bytes against the content id, then parses them. `MANIFEST_REFUSED`. */
export declare function readManifestRoot(bytes: Uint8Array, contentId: ContentId): Result<ManifestRoot>
/** Opens page `index` of the manifest: seal, hash in the root, names fit for the target. `MANIFEST_REFUSED`. */
export declare function openManifestPage(
  sealed: Uint8Array,
  packageKey: Uint8Array,
  root: ManifestRoot,
  index: number,
): Result<ManifestPage>
export declare function openLayoutRoot(
  sealed: Uint8Array,
  packageKey: Uint8Array,
  contentId: ContentId,
): Result<LayoutRoot>
/** The location of each of `page.chunks`, in their order. `MANIFEST_REFUSED`. */
export declare function openLayoutPage(
  sealed: Uint8Array,
  packageKey: Uint8Array,
  root: LayoutRoot,
  page: ManifestPage,
): Result<ChunkLocation[]>
/**
 * Opens one frame as it came from a pack: seal, size, plain hash, and the id of each chunk asked
 * for. Gives the frame's plain bytes; a chunk is `offsetInFrame` to `offsetInFrame + sizeBytes` of
 * them. `CONTENT_CORRUPT`.
 */
export declare function openFrame(
  sealed: Uint8Array,
  frame: { hash: Sha256; salt: Uint8Array },
  chunks: readonly (ChunkRef & { offsetInFrame: number })[],
): Result<Uint8Array>
