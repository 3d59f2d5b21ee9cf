import type { OriginalStep } from '@sluice/protocol'
import {
  detail,
  type FieldsOf,
  isOn,
  type StepForm,
  usualAttributes,
  type VariableChange,
  valueIn,
  withVariables,
} from './step-form.ts'

/** Checks that are not done here, by the variable that turns each on. */
const unsupported: Record<string, string> = {
  OSDCheckCMClientMinVersion: 'client version',
  OSDCheckOSLanguageID: 'language',
}

type Fields = FieldsOf<'checkReadiness'>

/** configmgr-behaviour §4.3: each check has a variable that turns it on, and one or none with its value. */
export const checkReadiness: StepForm<'checkReadiness'> = {
  type: 'checkReadiness',
  class: 'SMS_TaskSequence_PrestartCheckAction',
  read(original) {
    const asked = Object.keys(unsupported).filter((name) => isOn(original, name))
    if (asked.length > 0)
      return detail(
        `checks that are not done here yet: ${[...new Set(asked.map((name) => unsupported[name]))].join(', ')}`,
      )
    const wrong: string[] = []
    const on = (check: string): true | undefined => (isOn(original, check) ? true : undefined)
    const whole = (check: string, value: string): number | undefined => {
      if (!isOn(original, check)) return undefined
      const number = Number(valueIn(original, value))
      if (Number.isSafeInteger(number) && number > 0) return number
      wrong.push(`${value} is not a number`)
      return undefined
    }
    const version = (check: string, value: string): string | undefined => {
      if (!isOn(original, check)) return undefined
      const text = valueIn(original, value).replaceAll(' ', '')
      if (/^\d+(\.\d+){0,3}$/.test(text) && text.length <= 64) return text
      wrong.push(`${value} is not a version`)
      return undefined
    }
    const oneOf = <T extends string>(check: string, value: string, names: Record<string, T>): T | undefined => {
      if (!isOn(original, check)) return undefined
      const found = names[valueIn(original, value).toLowerCase()]
      if (found === undefined) wrong.push(`${value} is not known`)
      return found
    }
    const all: { [F in keyof Fields]: Fields[F] | undefined } = {
      minimumMemoryMB: whole('OSDCheckMemory', 'OSDMemory'),
      minimumProcessorMHz: whole('OSDCheckProcessorSpeed', 'OSDProcessorSpeed'),
      minimumFreeDiskMB: whole('OSDCheckFreeDiskSpace', 'OSDFreeDiskSpace'),
      architecture: oneOf('OSDCheckOSArchitecture', 'OSDOSArchitecture', { '64': 'x64', '32': 'ia32' }),
      osType: oneOf('OSDCheckOSType', 'OSDOSType', { client: 'client', server: 'server' }),
      minimumOsVersion: version('OSDCheckMinOSVersion', 'OSDMinOSVersion'),
      maximumOsVersion: version('OSDCheckMaxOSVersion', 'OSDMaxOSVersion'),
      acPower: on('OSDCheckPowerState'),
      network: on('OSDCheckNetworkConnected') && (isOn(original, 'OSDCheckNetworkWired') ? 'wired' : 'connected'),
      uefi: on('OSDCheckDeviceUEFI'),
      tpm: on('OSDCheckDeviceTpmActivated') ? 'activated' : on('OSDCheckDeviceTpmEnabled') && 'enabled',
    }
    if (wrong.length > 0) return detail(wrong.join(', '))
    return { fields: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['platform', 'minimumAgentVersion', 'language'] as const)
      if (fields[field] !== undefined) lost(field)
    const flag = (name: string, value: boolean): VariableChange => ({
      ...{ name, property: flagProperties[name] ?? name.replace(/^OSD/, '') },
      value: value ? 'true' : ifOff(original, name),
    })
    if (fields.architecture === 'arm64') lost('architecture')
    const bits = { x64: '64', ia32: '32', arm64: undefined }[fields.architecture ?? 'arm64']
    const check = (on: string, name: string, value: string | number | undefined): VariableChange[] => {
      const property = (variable: string): string => properties[variable] ?? variable.replace(/^OSD/, '')
      return [
        { name: on, property: property(on), value: value === undefined ? ifOff(original, on) : 'true' },
        ...(value === undefined ? [] : [{ name, property: property(name), value: String(value) }]),
      ]
    }
    const variables = [
      ...check('OSDCheckFreeDiskSpace', 'OSDFreeDiskSpace', fields.minimumFreeDiskMB),
      ...check('OSDCheckMaxOsVersion', 'OSDMaxOSVersion', fields.maximumOsVersion),
      ...check('OSDCheckMemory', 'OSDMemory', fields.minimumMemoryMB),
      ...check('OSDCheckMinOSVersion', 'OSDMinOSVersion', fields.minimumOsVersion),
      ...check('OSDCheckOSArchitecture', 'OSDOSArchitecture', bits),
      ...check('OSDCheckOSType', 'OSDOSType', fields.osType?.toUpperCase()),
      ...check('OSDCheckProcessorSpeed', 'OSDProcessorSpeed', fields.minimumProcessorMHz),
      flag('OSDCheckPowerState', fields.acPower === true),
      flag('OSDCheckNetworkConnected', fields.network !== undefined),
      flag('OSDCheckNetworkWired', fields.network === 'wired'),
      flag('OSDCheckDeviceUEFI', fields.uefi === true),
      flag('OSDCheckDeviceTpmEnabled', fields.tpm === 'enabled'),
      flag('OSDCheckDeviceTpmActivated', fields.tpm === 'activated'),
    ].filter(({ name, value }) => !(name in flagProperties && value === undefined))
    return {
      ...original,
      attributes: usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList: '0' }),
      action: original.action ?? 'OSDPrestartCheck.exe',
      variables: withVariables(original, variables),
    }
  },
}

/** Properties that are spelled otherwise than their variables. */
const properties: Record<string, string> = { OSDCheckMaxOsVersion: 'CheckMaxOSVersion' }

/** Properties of switches without a value; those of the TPM and UEFI are newer than the rest. */
const flagProperties: Record<string, string> = {
  OSDCheckDeviceTpmEnabled: 'CheckTpmEnabled',
  OSDCheckDeviceTpmActivated: 'CheckTpmActivated',
}

/** A check that is off: said so, as the console does for those that every version of it knows. */
const ifOff = (original: OriginalStep, on: string): string | undefined =>
  original.variables === undefined || original.variables.some(({ name }) => name === on) ? 'false' : undefined
