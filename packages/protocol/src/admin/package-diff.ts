/** What an update costs a device that has an older version of a package. */
import { z } from 'zod'

export const PackageDiffRequest = z.strictObject({
  from: z.int().positive(),
  to: z.int().positive(),
})
export type PackageDiffRequest = z.infer<typeof PackageDiffRequest>

export const PackageDiff = z.object({
  from: z.int().positive(),
  to: z.int().positive(),
  /** Sealed bytes of the frames with chunks that the older version lacks. */
  frameBytes: z.int().nonnegative(),
  /** Of manifest and layout, as far as the older version has other ones. */
  pageBytes: z.int().nonnegative(),
  /** The same for a device that has neither version. */
  wholeBytes: z.int().nonnegative(),
  added: z.int().nonnegative(),
  changed: z.int().nonnegative(),
  removed: z.int().nonnegative(),
  unchanged: z.int().nonnegative(),
  /** The first changes by path. */
  examples: z.array(z.object({ kind: z.enum(['added', 'changed', 'removed']), path: z.string() })).max(100),
})
export type PackageDiff = z.infer<typeof PackageDiff>
