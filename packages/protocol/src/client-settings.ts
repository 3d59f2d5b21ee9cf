/** Client settings: what the administrator decides for all devices of a site. They travel in policy. */
import { z } from 'zod'

export const ClientSettings = z.strictObject({
  /** Group *Cloud Services* (configmgr-behaviour §1.8). Both must be on for content over the internet. */
  cloudServices: z
    .strictObject({
      /** Enable clients to use a cloud management gateway. */
      enableGateway: z.boolean().default(true),
      /** Allow access to cloud distribution point. */
      allowCloudDistributionPoint: z.boolean().default(true),
    })
    .prefault({}),
  clientPolicy: z
    .strictObject({
      /** Policy polling interval; the original's default is 60 minutes. */
      pollingIntervalMs: z
        .int()
        .min(1_000)
        .max(24 * 3600_000)
        .default(3600_000),
    })
    .prefault({}),
  /** After the last fresh policy, new runs may still start for this long. */
  offlineStartMs: z
    .int()
    .min(0)
    .max(30 * 24 * 3600_000)
    .default(7 * 24 * 3600_000),
})
export type ClientSettings = z.infer<typeof ClientSettings>
