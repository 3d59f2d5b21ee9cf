/** What a device says about itself: the ground of conditions, tags and reports. */
import { z } from 'zod'

export const Platform = z.enum(['linux', 'windows'])
export type Platform = z.infer<typeof Platform>

/** Which rules for file names a package follows. `any` obeys both. */
export const ContentTarget = z.enum(['windows', 'linux', 'any'])
export type ContentTarget = z.infer<typeof ContentTarget>

export const DeviceFacts = z.object({
  hostname: z.string().max(255),
  platform: Platform,
  /** As the processor is called by Node: `x64`, `arm64`. */
  architecture: z.string().max(32),
  manufacturer: z.string().max(255),
  model: z.string().max(255),
  serialNumber: z.string().max(255),
  os: z.object({
    /** `ID` of os-release, or `windows`. */
    id: z.string().max(64),
    /** For people: `Debian GNU/Linux 12 (bookworm)`. */
    name: z.string().max(255),
    version: z.string().max(64),
    codename: z.string().max(64).optional(),
  }),
  /** What tells this machine from every other: the UUID of its firmware (SMBIOS 3.7, 7.2.1). Absent where there is none. */
  hardwareUuid: z.string().max(64).optional(),
  memoryBytes: z.int().nonnegative(),
  processorMHz: z.int().nonnegative(),
  /** Language tag of the system, as in `sv-SE`. */
  language: z.string().max(35).optional(),
})
export type DeviceFacts = z.infer<typeof DeviceFacts>

/** Who the agent is and what it can do; the site never asks for more than that. */
export const AgentInfo = z.object({
  version: z.string().max(32),
  /** Names such as `frames/1`, `steps/1`. */
  capabilities: z.array(z.string().max(64)).max(64),
})
export type AgentInfo = z.infer<typeof AgentInfo>
