/** Client settings: what the administrator decides for all devices of a site. They travel in policy. */
import { z } from 'zod'
import { ContentTransferSettings, MeteredInternetSettings } from './content-transfer.ts'

const MiB = 1024 * 1024
const HOUR_MS = 3600_000

/** Group *Client Cache Settings* (configmgr-behaviour §5.9). */
export const ClientCacheSettings = z.strictObject({
  /** Maximum cache size, in bytes; what is there for nobody's sake at present. */
  maxBytes: z
    .int()
    .min(MiB)
    .max(1024 * 1024 * 1024 * MiB)
    .default(5120 * MiB),
  /** Maximum cache size, as a percentage of the disk: the smaller of both counts. */
  maxPercent: z.int().min(1).max(100).default(100),
  /** Minimum duration before cached content can be removed, in milliseconds. */
  minimumAgeMs: z
    .int()
    .min(0)
    .max(7 * 24 * HOUR_MS)
    .default(24 * HOUR_MS),
})
export type ClientCacheSettings = z.infer<typeof ClientCacheSettings>

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
        .max(24 * HOUR_MS)
        .default(HOUR_MS),
    })
    .prefault({}),
  computerAgent: z
    .strictObject({
      /** Organization name displayed in Software Center; absent: what the agent's own configuration says. */
      organizationName: z.string().min(1).max(255).optional(),
    })
    .prefault({}),
  clientCache: ClientCacheSettings.prefault({}),
  contentTransfer: ContentTransferSettings.prefault({}),
  meteredInternet: MeteredInternetSettings.prefault({}),
  /** After the last fresh policy, new runs may still start for this long. */
  offlineStartMs: z
    .int()
    .min(0)
    .max(30 * 24 * HOUR_MS)
    .default(7 * 24 * HOUR_MS),
})
export type ClientSettings = z.infer<typeof ClientSettings>
