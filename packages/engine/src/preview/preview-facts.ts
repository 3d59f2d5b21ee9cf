/** A file of facts: those of a device, and what a preview may know besides. */
import { DeviceFacts } from '@sluice/protocol'
import { z } from 'zod'

const Row = z.record(z.string().max(256), z.union([z.string().max(4_000), z.number(), z.boolean(), z.null()]))

export const PreviewFacts = DeviceFacts.extend({
  freeDiskBytes: z.int().nonnegative().optional(),
  /** What the device tells beyond its facts. */
  machine: z
    .object({
      agentVersion: z.string().max(64).optional(),
      assetTag: z.string().max(255).optional(),
      uuid: z.string().max(64).optional(),
      macAddresses: z.array(z.string().max(64)).max(100).optional(),
      ipAddresses: z.array(z.string().max(64)).max(100).optional(),
      defaultGateways: z.array(z.string().max(64)).max(100).optional(),
      onAcPower: z.boolean().optional(),
      network: z.enum(['none', 'wireless', 'wired']).optional(),
      uefi: z.boolean().optional(),
      secureBoot: z.boolean().optional(),
      tpm: z.enum(['none', 'present', 'enabled', 'activated']).optional(),
    })
    .optional(),
  /** Rows of WMI's classes, beside what follows from the facts. */
  wmi: z.record(z.string().max(256), z.array(Row).max(1_000)).default({}),
  /** What is there, by path; of other paths nothing is known. `null`: nothing is there. */
  files: z
    .record(
      z.string().max(4_000),
      z
        .strictObject({
          kind: z.enum(['file', 'folder']),
          modified: z.iso.datetime().optional(),
          version: z.string().max(64).optional(),
        })
        .nullable(),
    )
    .default({}),
})
export type PreviewFacts = z.infer<typeof PreviewFacts>
