/** Picks the platform for the system that the agent runs on. */
import { createLinuxPlatform } from './linux.ts'
import type { Platform, PlatformOptions } from './platform.ts'
import { createPortablePlatform } from './portable.ts'
import { createWindowsPlatform } from './windows.ts'

export type { Platform, PlatformOptions, RestartOrder } from './platform.ts'

/** Tried in order; one that does not fit says undefined. */
const registry: Partial<Record<NodeJS.Platform, (options: PlatformOptions) => Promise<Platform | undefined>>> = {
  linux: createLinuxPlatform,
  win32: createWindowsPlatform,
}

export async function createPlatform(options: PlatformOptions): Promise<Platform> {
  return (await registry[process.platform]?.(options)) ?? createPortablePlatform(options)
}
