/**
 * What the facts that every device tells say in the words of WMI. A device adds what it knows besides;
 * a preview has nothing else. Nothing is made up: what the facts do not say is absent.
 */
import type { DeviceFacts } from '@sluice/protocol'
import type { WqlClassName, wqlClasses } from './classes.ts'
import type { FactRow, FactRows } from './evaluate.ts'

/** A row of a class: its properties only, with values of their types. */
export type RowOf<C extends WqlClassName> = {
  [P in keyof (typeof wqlClasses)[C]]?: ValueOf<(typeof wqlClasses)[C][P]> | null | undefined
}
type ValueOf<T> = T extends 'text' ? string : T extends 'number' ? number : boolean
export type RowsByClass = { [C in WqlClassName]?: RowOf<C>[] }

/** Values of `OSType`, `Architecture` and the texts beside them, as CIM documents them. */
const LINUX = 36
const WINDOWS_NT = 18
const architectures: Readonly<Record<string, { cpu: number; bits: number; os: string; system: string }>> = {
  x64: { cpu: 9, bits: 64, os: '64-bit', system: 'x64-based PC' },
  arm64: { cpu: 12, bits: 64, os: 'ARM 64-bit Processor', system: 'ARM64-based PC' },
  ia32: { cpu: 0, bits: 32, os: '32-bit', system: 'X86-based PC' },
}

/**
 * @param more rows that the device found out besides; of the classes that the facts speak of too, a
 *   row of which the fields are added
 */
export function deviceRows(
  facts: DeviceFacts & { freeDiskBytes?: number },
  more: RowsByClass | FactRows = {},
): FactRows {
  const { hostname, manufacturer, model, serialNumber, os, memoryBytes, processorMHz } = facts
  const architecture = Object.hasOwn(architectures, facts.architecture) ? architectures[facts.architecture] : undefined
  // Windows numbers its builds, and has editions for servers; Linux has neither.
  const windowsOnly = facts.platform === 'linux' ? null : undefined
  const told = {
    Win32_ComputerSystem: {
      ...{ Name: said(hostname), DNSHostName: said(hostname), Manufacturer: said(manufacturer), Model: said(model) },
      ...{ SystemType: architecture?.system, TotalPhysicalMemory: memoryBytes },
    },
    Win32_ComputerSystemProduct: {
      ...{ Vendor: said(manufacturer), Name: said(model), IdentifyingNumber: said(serialNumber) },
    },
    Win32_BIOS: { SerialNumber: said(serialNumber) },
    Win32_OperatingSystem: {
      ...{ Caption: said(os.name), Version: said(os.version), BuildNumber: windowsOnly, ProductType: windowsOnly },
      ...{ OSArchitecture: architecture?.os, OSType: facts.platform === 'linux' ? LINUX : WINDOWS_NT },
      ...{ CSName: said(hostname), TotalVisibleMemorySize: Math.floor(memoryBytes / 1024) },
    },
    Win32_Processor: {
      ...{
        Architecture: architecture?.cpu,
        AddressWidth: architecture?.bits,
        MaxClockSpeed: processorMHz || undefined,
      },
    },
    Win32_LogicalDisk: { FreeSpace: facts.freeDiskBytes },
  } satisfies { [C in WqlClassName]?: RowOf<C> }
  const rows: Record<string, FactRow[]> = {}
  for (const [name, row] of Object.entries(told)) {
    const [first, ...others] = Object.entries(more).find(([of]) => of === name)?.[1] ?? []
    rows[name] = [known({ ...row, ...first }), ...others.map(known)]
  }
  for (const [name, found] of Object.entries(more)) if (!Object.hasOwn(told, name)) rows[name] = found.map(known)
  return rows
}

/** Facts that could not be found out are empty texts. */
const said = (text: string): string | undefined => (text === '' ? undefined : text)

const known = (row: object): FactRow =>
  Object.fromEntries(Object.entries(row).filter(([, value]) => value !== undefined))
