/** Deleting packages and versions, and the collection of what nobody needs any more. */
import { z } from 'zod'

export const PackageDelete = z.strictObject({
  /** One version; the whole package when it is left out. */
  version: z.int().positive().optional(),
  /** Also while task sequences that are deployed nowhere refer to it. */
  force: z.boolean().default(false),
})

export const PackageDeleted = z.object({
  /** Versions that nobody new gets from now on. */
  deleted: z.array(z.int().positive()),
  /** The newest version now; 0 when there is none. */
  newest: z.int().nonnegative(),
})
export type PackageDeleted = z.infer<typeof PackageDeleted>

const count = z.int().nonnegative()

export const CollectionReport = z.object({
  /** Deleted versions that nobody has any more, and that are gone now. */
  versions: count,
  /** Objects that were condemned now: they are deleted 48 hours later. */
  condemnedObjects: count,
  /** Objects that were deleted from the content library now. */
  deletedObjects: count,
  deletedBytes: count,
  /** Packs of which less than half was needed and that versions began to leave now. */
  rewrittenPacks: count.default(0),
  rewrittenBytes: count.default(0),
  /** Bytes that were copied out of them into new packs now, before compression. */
  copiedBytes: count.default(0),
  /** Versions that are on their way to other packs. */
  movingVersions: count.default(0),
  /** Distribution points that hold their old packs only so far. */
  latePoints: z.array(z.string()).default([]),
  /** Objects that are condemned and still there. */
  waitingObjects: count,
  waitingBytes: count,
})
export type CollectionReport = z.infer<typeof CollectionReport>
