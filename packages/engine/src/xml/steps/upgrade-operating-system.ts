import { type OriginalStep, PackageId } from '@sluice/protocol'
import {
  detail,
  isOn,
  type StepForm,
  usualAttributes,
  type VariableChange,
  valueIn,
  withVariables,
} from './step-form.ts'

/** What asks for more than an upgrade from a folder, and the values that ask for nothing. */
const unsupported: { variable: string; usual: RegExp; told: string }[] = [
  { variable: 'OSDUpgradeInstallEditionIndex', usual: /^[01]?$/, told: 'another edition than the first' },
  { variable: 'OSDUpgradeIgnoreMessages', usual: /^(false)?$/i, told: 'ignoring messages of the installer' },
  { variable: 'OSDUpgradeOsProductKey', usual: /^$/, told: 'a product key' },
  { variable: 'OSDUpgradeDynamicUpdateSettings', usual: /^(disable)?$/i, told: 'updating the installer' },
  { variable: 'OSDUpgradePreserveSettings', usual: /^(upgrade)?$/i, told: 'not keeping settings' },
  { variable: 'OSDUpgradeDriverPackageID', usual: /^0*$/, told: 'a driver package' },
  { variable: 'OSDFeatureUpdateAssignmentID', usual: /^0*$/, told: 'a feature update' },
  { variable: 'OSDUpgradeFeatureUpdateName', usual: /^$/, told: 'a feature update' },
]

/** configmgr-behaviour §4.4. A path is only taken where no package is named. */
export const upgradeOperatingSystem: StepForm<'upgradeOperatingSystem'> = {
  type: 'upgradeOperatingSystem',
  class: 'SMS_TaskSequence_UpgradeOperatingSystemAction',
  read(original) {
    const asked = unsupported.filter(({ variable, usual }) => !usual.test(valueIn(original, variable)))
    if (asked.length > 0)
      return detail(`${[...new Set(asked.map(({ told }) => told))].join(' and ')}: not supported here yet`)
    const named = valueIn(original, 'OSDUpgradeInstallPackageID')
    const packageId = PackageId.safeParse(named)
    if (named !== '' && !packageId.success) return detail(`"${named.slice(0, 100)}" is not a package id`)
    const sourcePath = valueIn(original, 'OSDUpgradeInstallPath')
    if (!packageId.success && sourcePath === '') return detail('it names neither an upgrade package nor a path')
    const driverPath = valueIn(original, 'OSDUpgradeStagedContent')
    return {
      fields: {
        ...(packageId.success ? { package: packageId.data } : { sourcePath }),
        ...(driverPath === '' ? {} : { driverPath }),
        ...(isOn(original, 'OSDUpgradeScanOnly') ? { scanOnly: true } : {}),
      },
    }
  },
  write(fields, original, dialect, lost) {
    if (fields.class !== undefined) lost('class')
    if (fields.probe !== undefined) lost('probe')
    if (fields.timeoutMinutes !== undefined) lost('timeoutMinutes')
    if (fields.package !== undefined && typeof fields.package !== 'string') lost('package')
    const packageId = typeof fields.package === 'string' ? fields.package : undefined
    const path = packageId === undefined ? (fields.sourcePath ?? '') : pathBeside(original)
    const usual = [
      ['OSDUpgradeDynamicUpdateSettings', 'DynamicUpdateSettings', 'Disable'],
      ['OSDUpgradeIgnoreMessages', 'IgnoreMessages', 'false'],
      ['OSDUpgradeInstallEditionIndex', 'InstallEditionIndex', '1'],
      ['OSDUpgradeOsProductKey', 'OsProductKey', ''],
      ['OSDUpgradePreserveSettings', 'PreserveSettings', 'Upgrade'],
    ].map(([name = '', property = '', value = '']): VariableChange => ({ name, property, value, onlyNew: true }))
    const variables: VariableChange[] = [
      ...usual,
      { name: 'OSDUpgradeInstallPackageID', property: 'InstallPackageID', value: packageId },
      { name: 'OSDUpgradeInstallPath', property: 'InstallPath', value: path },
      { name: 'OSDUpgradeScanOnly', property: 'ScanOnly', value: String(fields.scanOnly === true) },
      { name: 'OSDUpgradeStagedContent', property: 'StagedContent', value: fields.driverPath ?? '' },
    ]
    return {
      ...original,
      attributes: usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' }),
      action: original.action ?? 'OSDUpgradeOS.exe',
      variables: withVariables(original, variables),
    }
  },
}

/** A path that stood beside a package, and stays there: it is not used. */
const pathBeside = (original: OriginalStep): string => valueIn(original, 'OSDUpgradeInstallPath')
