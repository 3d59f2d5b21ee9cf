/**
 * What Linux tells beyond the facts that every device has, in the words of WMI: firmware from DMI,
 * processors and disks from /proc, network and batteries from /sys. A file that cannot be read leaves
 * its property out, a folder that cannot be read its class: a query that needs it fails, and nothing
 * is made up.
 */
import { readdir, readFile, statfs } from 'node:fs/promises'
import { cpus, networkInterfaces } from 'node:os'
import type { RowOf, RowsByClass } from '@sluice/engine'

/** Rows of one class at most: a device with more has them from software. */
const MAX_ROWS = 1_000

/**
 * @param options.stateFolder its disk is the one that is told of
 * @param options.firmware whether the firmware that is seen is the device's own
 */
export async function linuxRows(options: { stateFolder: string; firmware: boolean }): Promise<RowsByClass> {
  const batteries = await batteryRows()
  const network = await networkRows()
  return {
    Win32_ComputerSystem: [{ NumberOfLogicalProcessors: cpus().length || undefined }],
    Win32_Processor: [{ Name: cpus()[0]?.model.trim() || undefined }],
    Win32_LogicalDisk: [await diskRow(options.stateFolder)],
    ...(options.firmware ? await firmwareRows() : {}),
    ...(batteries === undefined ? {} : { Win32_Battery: batteries }),
    ...network,
  }
}

async function firmwareRows(): Promise<RowsByClass> {
  const dmi = (name: string) => line(`/sys/class/dmi/id/${name}`)
  return {
    // Readable for root only, as the serial number is.
    Win32_ComputerSystemProduct: [{ Version: await dmi('product_version'), UUID: await dmi('product_uuid') }],
    Win32_BIOS: [{ Manufacturer: await dmi('bios_vendor'), SMBIOSBIOSVersion: await dmi('bios_version') }],
  }
}

const REMOTE = /^(nfs\d?|cifs|smb3|9p|ceph|fuse\.sshfs)$/
/** Values of `DriveType`. */
const [LOCAL_DISK, NETWORK_DRIVE] = [3, 4]

async function diskRow(folder: string): Promise<RowOf<'Win32_LogicalDisk'>> {
  const disk = await statfs(folder)
  const mount = mountOf(folder, await readFile('/proc/self/mounts', 'utf8').catch(() => ''))
  return {
    Size: disk.blocks * disk.bsize,
    ...(mount === undefined
      ? {}
      : {
          DeviceID: mount.point,
          FileSystem: mount.type,
          DriveType: REMOTE.test(mount.type) ? NETWORK_DRIVE : LOCAL_DISK,
        }),
  }
}

/** The mount that a path lies on: the one with the longest point, of several there the last. */
export function mountOf(path: string, mounts: string): { point: string; type: string } | undefined {
  let found: { point: string; type: string } | undefined
  for (const text of mounts.split('\n')) {
    const [, escaped, type] = text.split(' ')
    if (escaped === undefined || type === undefined) continue
    // proc(5): blanks and backslashes are octal.
    const point = escaped.replace(/\\([0-7]{3})/g, (_, digits: string) =>
      String.fromCharCode(Number.parseInt(digits, 8)),
    )
    const within = path === point || path.startsWith(point === '/' ? '/' : `${point}/`)
    if (within && point.length >= (found?.point.length ?? 0)) found = { point, type }
  }
  return found
}

const POWER = '/sys/class/power_supply'
/** Values of `BatteryStatus`: on its own, or with power from outside. */
const [DISCHARGING, POWERED] = [1, 2]

async function batteryRows(): Promise<RowOf<'Win32_Battery'>[] | undefined> {
  const names = await readdir(POWER).catch(() => undefined)
  if (names === undefined) return undefined
  const rows: RowOf<'Win32_Battery'>[] = []
  for (const name of names.slice(0, MAX_ROWS)) {
    // Batteries of mice and the like say that they are a device's.
    if ((await line(`${POWER}/${name}/type`)) !== 'Battery') continue
    if ((await line(`${POWER}/${name}/scope`)) === 'Device') continue
    const status = await line(`${POWER}/${name}/status`)
    const told = status !== undefined && status !== 'Unknown'
    rows.push({
      Name: name,
      BatteryStatus: told ? (status === 'Discharging' ? DISCHARGING : POWERED) : undefined,
      EstimatedChargeRemaining: await wholeNumber(`${POWER}/${name}/capacity`),
    })
  }
  return rows
}

const NETWORK = '/sys/class/net'
/** Values of `NetConnectionStatus`. */
const connection: Readonly<Record<string, number>> = { up: 2, down: 0, lowerlayerdown: 7 }

async function networkRows(): Promise<RowsByClass> {
  const names = await readdir(NETWORK).catch(() => undefined)
  if (names === undefined) return {}
  const adapters: RowOf<'Win32_NetworkAdapter'>[] = []
  const configurations: RowOf<'Win32_NetworkAdapterConfiguration'>[] = []
  const addressed = networkInterfaces()
  for (const name of names.slice(0, MAX_ROWS)) {
    const state = await line(`${NETWORK}/${name}/operstate`)
    if (state === undefined) continue
    const MACAddress = (await line(`${NETWORK}/${name}/address`))?.toUpperCase()
    const files = await readdir(`${NETWORK}/${name}`).catch((): string[] => [])
    adapters.push({
      ...{ Name: name, NetConnectionID: name, MACAddress, PhysicalAdapter: files.includes('device') },
      NetConnectionStatus: Object.hasOwn(connection, state) ? connection[state] : undefined,
    })
    configurations.push({ Description: name, MACAddress, IPEnabled: Object.hasOwn(addressed, name) })
  }
  return { Win32_NetworkAdapter: adapters, Win32_NetworkAdapterConfiguration: configurations }
}

async function wholeNumber(path: string): Promise<number | undefined> {
  const text = await line(path)
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}

/** The first line of a file of the kernel; undefined where it is empty or cannot be read. */
async function line(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text?.split('\n', 1)[0]?.trim().slice(0, 1_000) || undefined
}
