/**
 * The classes and properties that queries may name, with the types of the Common Information Model
 * (whole numbers of all widths are numbers here). A property is in this list only when a device can
 * tell it truthfully; arrays and times are not.
 */
import type { WqlQuery } from './query.ts'
import { propertiesOf } from './query.ts'

export type PropertyType = 'text' | 'number' | 'boolean'

const CIM_NAMESPACE = 'root\\cimv2'

const [text, number, boolean] = ['text', 'number', 'boolean'] as const

export const wqlClasses = {
  Win32_ComputerSystem: {
    ...{ Name: text, DNSHostName: text, Manufacturer: text, Model: text, SystemType: text },
    ...{ TotalPhysicalMemory: number, NumberOfLogicalProcessors: number },
  },
  Win32_ComputerSystemProduct: { Vendor: text, Name: text, Version: text, IdentifyingNumber: text, UUID: text },
  Win32_BIOS: { Manufacturer: text, SMBIOSBIOSVersion: text, SerialNumber: text },
  Win32_OperatingSystem: {
    ...{ Caption: text, Version: text, BuildNumber: text, OSArchitecture: text, CSName: text },
    ...{ OSType: number, ProductType: number, TotalVisibleMemorySize: number },
  },
  Win32_Processor: { Name: text, Architecture: number, AddressWidth: number, MaxClockSpeed: number },
  Win32_Battery: { Name: text, BatteryStatus: number, EstimatedChargeRemaining: number },
  Win32_LogicalDisk: { DeviceID: text, FileSystem: text, DriveType: number, Size: number, FreeSpace: number },
  Win32_NetworkAdapter: {
    ...{ Name: text, NetConnectionID: text, MACAddress: text },
    ...{ NetConnectionStatus: number, PhysicalAdapter: boolean },
  },
  Win32_NetworkAdapterConfiguration: { Description: text, MACAddress: text, DNSHostName: text, IPEnabled: boolean },
} as const satisfies Record<string, Record<string, PropertyType>>

export type WqlClassName = keyof typeof wqlClasses

/** The class of that name, whatever its case. */
export function wqlClass(name: string): { name: string; properties: ReadonlyMap<string, PropertyType> } | undefined {
  return byLowerName.get(name.toLowerCase())
}

const byLowerName = new Map(
  Object.entries(wqlClasses).map(([name, properties]) => [
    name.toLowerCase(),
    { name, properties: new Map(Object.entries(properties).map(([of, type]) => [of.toLowerCase(), type] as const)) },
  ]),
)

/** Why a query can be decided nowhere, as the end of "its condition …"; undefined: a device may decide it. */
export function unknownIn(query: WqlQuery, namespace: string): string | undefined {
  const place = namespace
    .trim()
    .replaceAll('/', '\\')
    .replace(/^\\\\\.\\/, '')
    .replace(/^\\|\\$/g, '')
  if (place !== '' && place.toLowerCase() !== CIM_NAMESPACE) return `queries the WMI namespace ${shortened(place)}`
  const known = wqlClass(query.from.name)
  if (known === undefined) return `queries WMI for the class ${shortened(query.from.name)}`
  const missing = propertiesOf(query).find(({ name }) => !known.properties.has(name.toLowerCase()))
  return missing === undefined ? undefined : `queries WMI for the property ${shortened(missing.name)} of ${known.name}`
}

const shortened = (name: string): string => (name.length > 100 ? `${name.slice(0, 99)}…` : name)
