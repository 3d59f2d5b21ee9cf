/**
 * Where there is nothing better: what Node itself knows. Also the ground on which `linux.ts` stands.
 *
 * Boot identity without help of the system: the machine's uptime only rises within a boot, so an
 * uptime below the one last seen means another boot. It is noted every minute and when a restart is
 * asked for. It fails when the machine runs for a shorter time than its start takes and nobody asked
 * the agent: a run that waits for a restart then waits for the next one, and nothing runs twice.
 */
import { randomUUID } from 'node:crypto'
import { readFile, statfs } from 'node:fs/promises'
import { arch, cpus, hostname, networkInterfaces, totalmem, uptime } from 'node:os'
import { join } from 'node:path'
import { deviceRows, type MachineFacts } from '@sluice/engine'
import { type DeviceFacts, Platform as PlatformName } from '@sluice/protocol'
import { z } from 'zod'
import { agentInfo } from '../agent-info.ts'
import { writeDurable } from '../state/durable-file.ts'
import { readBootFile } from './boot-file.ts'
import { readOsRelease } from './os-release.ts'
import type { Platform, PlatformOptions } from './platform.ts'
import { restart } from './restart.ts'
import { timeZoneText } from './time-zone.ts'

const BootNote = z.object({ v: z.literal(1), bootId: z.string(), uptimeSeconds: z.number() })
type BootNote = z.infer<typeof BootNote>
const NOTE_EVERY_MS = 60_000

export async function createPortablePlatform(
  options: PlatformOptions,
  uptimeSeconds: () => number = uptime,
): Promise<Platform> {
  const named = await readBootFile(options.bootFile)
  const uptimeBoot = named === undefined ? await openUptimeBoot(options.stateFolder, uptimeSeconds) : undefined
  return {
    bootId: named ?? uptimeBoot?.bootId ?? '',
    facts: () => portableFacts(options),
    factRows: async () => deviceRows(await portableFacts(options)),
    machine: async () => portableMachine(),
    software: async () => [],
    registry: async () => undefined,
    osName: async () => (await readOsRelease(options.osRoot)).name,
    async restart() {
      await uptimeBoot?.note()
      return restart(options.restart, options.exit)
    },
  }
}

/** The addresses alone: nothing else is known. */
function portableMachine(): MachineFacts {
  const addresses = Object.values(networkInterfaces()).flatMap((of) => (of ?? []).filter(({ internal }) => !internal))
  return {
    agentVersion: agentInfo.version,
    macAddresses: [...new Set(addresses.map(({ mac }) => mac.toUpperCase()))],
    ipAddresses: addresses.map(({ address }) => address),
    defaultGateways: [],
    timeZone: timeZoneText(Date.now()),
  }
}

async function openUptimeBoot(stateFolder: string, uptimeSeconds: () => number) {
  const path = join(stateFolder, 'boot.json')
  const before = await readNote(path)
  const isSame = before !== undefined && uptimeSeconds() >= before.uptimeSeconds
  const bootId = isSame ? before.bootId : randomUUID()
  const note = () =>
    writeDurable(path, JSON.stringify({ v: 1, bootId, uptimeSeconds: uptimeSeconds() } satisfies BootNote))
  await note()
  // A note that fails to be written leaves an older, lower uptime: the boot is recognised all the same.
  setInterval(() => note().catch(() => {}), NOTE_EVERY_MS).unref()
  return { bootId, note }
}

/** Facts by Node alone, with the ones that are told laid over them. */
export async function portableFacts(
  options: Pick<PlatformOptions, 'stateFolder' | 'osRoot' | 'facts'>,
  found: Partial<DeviceFacts> = {},
): Promise<DeviceFacts & { freeDiskBytes: number }> {
  const disk = await statfs(options.stateFolder)
  const name = PlatformName.safeParse(process.platform === 'win32' ? 'windows' : process.platform)
  const language = Intl.DateTimeFormat().resolvedOptions().locale
  return {
    hostname: hostname().slice(0, 255),
    // Systems that are neither are treated as the one they resemble.
    platform: name.success ? name.data : 'linux',
    architecture: arch(),
    manufacturer: '',
    model: '',
    serialNumber: '',
    os: await readOsRelease(options.osRoot),
    memoryBytes: totalmem(),
    processorMHz: cpus()[0]?.speed ?? 0,
    ...(language === 'und' ? {} : { language }),
    ...found,
    ...options.facts,
    freeDiskBytes: disk.bavail * disk.bsize,
  }
}

async function readNote(path: string): Promise<BootNote | undefined> {
  try {
    return BootNote.parse(JSON.parse(await readFile(path, 'utf8')))
  } catch {
    return undefined
  }
}
