/** What an administrator says of a package besides its files: tab *Data Source* and the tags for pre-caching. */
import { z } from 'zod'
import { PreCacheTags } from '../content.ts'

export const PackageOptions = z.strictObject({
  /** Persist content in the client cache. */
  persist: z.boolean().default(false),
  /** Devices for which it is fetched in advance; empty: all. */
  preCache: PreCacheTags.default({}),
})
export type PackageOptions = z.infer<typeof PackageOptions>
