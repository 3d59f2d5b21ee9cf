/**
 * Linux: facts from /sys, /proc and the root's own files.
 *
 * Boot identity: the kernel's boot id followed by the start time of process 1. The second part makes
 * a difference where a device is a namespace or a container: there the kernel goes on and process 1
 * is another one (design §6).
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deviceRows } from '@sluice/engine'
import type { DeviceFacts } from '@sluice/protocol'
import { readBootFile } from './boot-file.ts'
import { linuxMachine } from './linux-machine.ts'
import { linuxRows } from './linux-rows.ts'
import { installedVersions } from './linux-software.ts'
import { readOsRelease } from './os-release.ts'
import type { Platform, PlatformOptions } from './platform.ts'
import { portableFacts } from './portable.ts'
import { restart } from './restart.ts'

/** Undefined where /proc does not say which boot it is. */
export async function createLinuxPlatform(options: PlatformOptions): Promise<Platform | undefined> {
  const bootId = (await readBootFile(options.bootFile)) ?? (await readBootId())
  if (bootId === undefined) return undefined
  const { stateFolder, osRoot } = options
  // Who tells the device's model tells that the firmware seen here is another's.
  const firmware = options.facts.model === undefined && options.facts.manufacturer === undefined
  const facts = async () => portableFacts(options, await linuxFacts(osRoot, firmware))
  return {
    bootId,
    facts,
    factRows: async () => deviceRows(await facts(), await linuxRows({ stateFolder, firmware })),
    machine: () => linuxMachine({ firmware }),
    software: ({ name }) => installedVersions(osRoot, name),
    registry: async () => undefined,
    osName: async () => (await readOsRelease(osRoot)).name,
    restart: () => restart(options.restart, options.exit),
  }
}

async function readBootId(): Promise<string | undefined> {
  const boot = await firstLine('/proc/sys/kernel/random/boot_id')
  const stat = await firstLine('/proc/1/stat')
  // proc(5): field 2 is the name in brackets and may hold anything; field 22 is the start time in ticks.
  const ticks = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[22 - 3]
  return boot === undefined || ticks === undefined || !/^\d+$/.test(ticks) ? undefined : `${boot}-${ticks}`
}

async function linuxFacts(osRoot: string, firmware: boolean): Promise<Partial<DeviceFacts>> {
  const dmi = async (name: string) => (await firstLine(`/sys/class/dmi/id/${name}`))?.slice(0, 255) ?? ''
  const language = await readLanguage(osRoot)
  // Readable for root only.
  const hardwareUuid = firmware ? await dmi('product_uuid') : ''
  const hz = Number(await firstLine('/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq')) * 1000
  return {
    manufacturer: await dmi('sys_vendor'),
    model: await dmi('product_name'),
    // Readable for root only.
    serialNumber: await dmi('product_serial'),
    ...(hardwareUuid === '' ? {} : { hardwareUuid: hardwareUuid.slice(0, 64) }),
    ...(hz > 0 ? { processorMHz: Math.round(hz / 1_000_000) } : {}),
    ...(language === undefined ? {} : { language }),
  }
}

/** `LANG=sv_SE.UTF-8` is the language tag `sv-SE`. */
async function readLanguage(osRoot: string): Promise<string | undefined> {
  for (const path of ['etc/locale.conf', 'etc/default/locale']) {
    const text = await readFile(join(osRoot, path), 'utf8').catch(() => '')
    const [, language, region] = /^\s*LANG="?([a-z]{2,3})(?:_([A-Z]{2}))?[."@\s]/m.exec(`${text}\n`) ?? []
    if (language !== undefined) return region === undefined ? language : `${language}-${region}`
  }
  return undefined
}

async function firstLine(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text?.split('\n', 1)[0]?.trim()
}
