/** What an update of a package costs each device, from what devices say of their caches. */
import { z } from 'zod'
import { DeviceId } from '../ids.ts'

/** Devices in one answer. */
export const MAX_COSTED_DEVICES = 5_000

export const PackageCostsRequest = z.strictObject({
  /** Version that they get; the newest when it is left out. */
  to: z.int().positive().optional(),
  /** This device only. */
  device: DeviceId.optional(),
})
export type PackageCostsRequest = z.infer<typeof PackageCostsRequest>

export const PackageCosts = z.object({
  to: z.int().positive(),
  /** For a device whose cache holds no version of the package. */
  wholeBytes: z.int().nonnegative(),
  /** Devices whose caches hold some, by name. */
  devices: z
    .array(
      z.object({
        deviceId: DeviceId,
        hostname: z.string(),
        /** Versions that its cache holds whole, the newest first. */
        versions: z.array(z.int().positive()),
        /** To fetch, with what tells the device what to fetch. */
        fetchBytes: z.int().nonnegative(),
      }),
    )
    .max(MAX_COSTED_DEVICES),
  /** There are more such devices than an answer holds. */
  more: z.boolean(),
})
export type PackageCosts = z.infer<typeof PackageCosts>
