import { type OriginalStep, PackageId, SettableVariableName } from '@sluice/protocol'
import {
  detail,
  isOn,
  type StepForm,
  usualAttributes,
  type VariableChange,
  valueIn,
  withVariables,
} from './step-form.ts'

/** Packages are a list of ids, told again one by one in numbered variables for the editor. */
export const downloadPackageContent: StepForm<'downloadPackageContent'> = {
  type: 'downloadPackageContent',
  class: 'SMS_TaskSequence_DownloadPackageContentAction',
  read(original) {
    const destination = valueIn(original, 'OSDDownloadDestinationLocationType').toLowerCase()
    const path = valueIn(original, 'OSDDownloadDestinationPath')
    if (destination === 'custom' && path === '') return detail('its custom path is empty')
    if (!['', 'tscache', 'ccmcache', 'custom'].includes(destination))
      return detail(`"${destination}" is not a known destination`)
    const ids = packagesOf(original)
    const packages: PackageId[] = []
    for (const id of ids) {
      const packageId = PackageId.safeParse(id)
      if (!packageId.success) return detail(`"${id.slice(0, 100)}" is not a package id`)
      packages.push(packageId.data)
    }
    if (packages.length === 0) return detail('it names no package')
    if (packages.length > 100) return detail('it names more than 100 packages')
    const saveAs = valueIn(original, 'OSDDownloadDestinationVariable')
    if (saveAs !== '' && !SettableVariableName.safeParse(saveAs).success)
      return detail(`it saves the path in "${saveAs}", a name that may not be set`)
    return {
      fields: {
        packages,
        ...(destination === 'ccmcache' ? { destination: 'cache' as const } : {}),
        ...(destination === 'custom' ? { destination: { path } } : {}),
        ...(saveAs === '' ? {} : { saveAs }),
        ...(isOn(original, 'OSDDownloadContinueDownloadOnError') ? { continueOnPackageError: true } : {}),
      },
    }
  },
  write({ packages, saveAs, continueOnPackageError, destination, files }, original, dialect, lost) {
    if (files !== undefined) lost('files')
    const custom = typeof destination === 'object' ? destination.path : undefined
    const location = custom !== undefined ? 'Custom' : destination === 'cache' ? 'CCMCache' : 'TSCache'
    const ids = packages.filter((choice) => typeof choice === 'string')
    if (ids.length < packages.length) lost('packages')
    // The names, kinds and sizes of other packages than before are not known here.
    const same = ids.join(',') === packagesOf(original).join(',')
    const rest = { ...original, variables: original.variables?.filter(({ name }) => same || !isNumbered(name)) }
    const variables: VariableChange[] = [
      {
        name: 'OSDDownloadContinueDownloadOnError',
        property: 'ContinueDownloadOnError',
        value: String(continueOnPackageError === true),
      },
      {
        ...{ name: 'OSDDownloadDestinationPath', property: 'DestinationCustomPath', value: custom ?? '' },
        ...(custom === undefined ? { onlyNew: true as const } : {}),
      },
      { name: 'OSDDownloadDestinationLocationType', property: 'DestinationLocationType', value: location },
      { name: 'OSDDownloadDestinationVariable', property: 'DestinationVariable', value: saveAs ?? '' },
      { name: 'OSDDownloadDownloadPackages', property: 'DownloadPackages', value: ids.join(',') },
      { name: 'OSDPackageCount', property: 'NumPackages', value: String(ids.length) },
      { name: 'OSDPackage', property: 'PackageInfo', hidden: true, value: String(ids.length) },
      ...(same ? [] : ids).map((id, index) => ({
        name: `OSDPackage${index}PackageId`,
        property: `PackageInfo${index}PackageId`,
        value: id,
      })),
    ]
    return {
      ...original,
      attributes: usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList: '0' }),
      action: original.action ?? 'OsdDownloadContent.exe',
      variables: withVariables(rest, variables),
    }
  },
}

const packagesOf = (original: OriginalStep): string[] =>
  valueIn(original, 'OSDDownloadDownloadPackages')
    .split(/[\s,;]+/)
    .filter((id) => id !== '')

const isNumbered = (name: string): boolean => /^OSDPackage\d/i.test(name)
