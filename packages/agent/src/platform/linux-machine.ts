/**
 * What Linux tells about the machine for *Check Readiness* and *Set Dynamic Variables*: DMI, the network,
 * the power supply, the firmware, the TPM. What cannot be read is left out.
 */
import { readdir, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import type { MachineFacts } from '@sluice/engine'
import { agentInfo } from '../agent-info.ts'
import { timeZoneText } from './time-zone.ts'

/** @param options.firmware whether the firmware that is seen is the device's own */
export async function linuxMachine(options: { firmware: boolean }): Promise<MachineFacts> {
  const addresses = Object.values(networkInterfaces()).flatMap((of) => (of ?? []).filter(({ internal }) => !internal))
  const dmi = (name: string) => (options.firmware ? line(`/sys/class/dmi/id/${name}`) : undefined)
  return {
    agentVersion: agentInfo.version,
    assetTag: await dmi('chassis_asset_tag'),
    uuid: (await dmi('product_uuid'))?.toUpperCase(),
    macAddresses: [...new Set(addresses.map(({ mac }) => mac.toUpperCase()))],
    ipAddresses: [...new Set(addresses.map(({ address }) => address))],
    defaultGateways: defaultGateways(await readFile('/proc/net/route', 'utf8').catch(() => '')),
    onAcPower: await onAcPower(),
    network: await networkKind(),
    timeZone: timeZoneText(Date.now()),
    ...(options.firmware ? await firmware() : {}),
  }
}

/** Gateways of the default routes. proc(5): addresses are hexadecimal, lowest byte first. */
export function defaultGateways(routes: string): string[] {
  const found = routes.split('\n').flatMap((text) => {
    const [, destination, gateway] = text.split(/\s+/)
    if (destination !== '00000000' || gateway === undefined || !/^[0-9A-F]{8}$/.test(gateway)) return []
    const bytes = gateway.match(/../g) ?? []
    return [
      bytes
        .reverse()
        .map((byte) => Number.parseInt(byte, 16))
        .join('.'),
    ]
  })
  return [...new Set(found)].filter((address) => address !== '0.0.0.0')
}

const POWER = '/sys/class/power_supply'

/** A supply that is online, or no battery at all; undefined where nothing is told. */
async function onAcPower(): Promise<boolean | undefined> {
  const names = await readdir(POWER).catch(() => undefined)
  if (names === undefined) return undefined
  let batteries = 0
  for (const name of names) {
    if ((await line(`${POWER}/${name}/scope`)) === 'Device') continue
    const type = await line(`${POWER}/${name}/type`)
    if (type === 'Battery') batteries++
    else if ((await line(`${POWER}/${name}/online`)) === '1') return true
  }
  return batteries === 0
}

const NETWORK = '/sys/class/net'

async function networkKind(): Promise<MachineFacts['network']> {
  const names = await readdir(NETWORK).catch(() => undefined)
  if (names === undefined) return undefined
  let found: MachineFacts['network'] = 'none'
  for (const name of names) {
    if (name === 'lo' || (await line(`${NETWORK}/${name}/carrier`)) !== '1') continue
    const files = await readdir(`${NETWORK}/${name}`).catch((): string[] => [])
    if (!files.includes('wireless') && !files.includes('phy80211')) return 'wired'
    found = 'wireless'
  }
  return found
}

async function firmware(): Promise<Pick<MachineFacts, 'uefi' | 'secureBoot' | 'tpm'>> {
  const uefi = (await readdir('/sys/firmware/efi').catch(() => undefined)) !== undefined
  return { uefi, secureBoot: uefi ? await secureBoot() : undefined, tpm: await tpm() }
}

/** UEFI specification §3.3: a variable of one byte, behind four of attributes. */
async function secureBoot(): Promise<boolean | undefined> {
  const path = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'
  const bytes = await readFile(path).catch(() => undefined)
  return bytes?.length === 5 ? bytes[4] === 1 : undefined
}

/** Of a TPM 2 only that it is there is told: a kernel that drives it has it enabled. */
async function tpm(): Promise<MachineFacts['tpm']> {
  const names = await readdir('/sys/class/tpm').catch((): string[] => [])
  const [first] = names
  if (first === undefined) return 'none'
  const version = await line(`/sys/class/tpm/${first}/tpm_version_major`)
  if (version === '2') return 'activated'
  if ((await line(`/sys/class/tpm/${first}/device/active`)) === '1') return 'activated'
  return (await line(`/sys/class/tpm/${first}/device/enabled`)) === '1' ? 'enabled' : 'present'
}

async function line(path: string): Promise<string | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined)
  return text?.split('\n', 1)[0]?.trim().slice(0, 255) || undefined
}
