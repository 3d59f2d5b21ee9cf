import { type OriginalStep, SettableVariableName } from '@sluice/protocol'
import { readRunAgain, writeRunAgain } from './run-again.ts'
import {
  detail,
  type StepForm,
  usualAttributes,
  type VariableChange,
  valueIn,
  withAttributes,
  withVariables,
} from './step-form.ts'
import { switchesIn } from './switches.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

/**
 * Applications by their ids, or a list in numbered variables: `smsappinstall.exe /app:<ids>
 * /basevar:<list> /continueOnError:<bool>`. How one is installed and found is kept with the application
 * there: it is not in the file, and has to be written here before a device runs it.
 */
export const installApplication: StepForm<'installApplication'> = {
  type: 'installApplication',
  class: 'SMS_TaskSequence_InstallApplicationAction',
  read(original) {
    const action = switchesIn(original.action ?? '', 'smsappinstall.exe')
    if (action?.values.has('app') !== true) return detail('its action is not known')
    const ids = [...new Set((action.values.get('app') ?? '').split(',').filter((id) => id !== ''))]
    const listVariable = action.values.get('basevar') ?? ''
    if (ids.length === 0 && listVariable === '') return detail('it names no application')
    if (listVariable !== '' && !SettableVariableName.safeParse(listVariable).success)
      return detail(`its list is "${listVariable.slice(0, 100)}", a name that may not be set`)
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    const names = namesIn(original)
    const taken = new Set<string>()
    const applications = ids.map((id) => {
      const shown = names.get(id) ?? id
      const name = taken.has(shown) ? id : shown
      taken.add(name)
      return { name, ...(name === id ? {} : { id }) }
    })
    return {
      fields: {
        applications,
        ...(listVariable === '' ? {} : { listVariable }),
        ...(/^(true|yes|1)$/i.test(action.values.get('continueonerror') ?? '') ? { continueOnInstallError: true } : {}),
        ...readRunAgain(original),
        ...limit,
      },
    }
  },
  write(fields, original, dialect, lost) {
    if (fields.probe !== undefined) lost('probe')
    const { applications, listVariable = '' } = fields
    if (
      applications.some(({ install, detect, requires, package: of, successCodes }) =>
        [install, detect, requires, of, successCodes].some((field) => field !== undefined),
      )
    )
      lost('applications', 'the XML names applications only: how they are installed is not in it')
    const ids = applications.map(({ name, id }) => id ?? name)
    if (ids.some((id) => /[\s,]/.test(id))) lost('applications', 'the XML names applications by their ids')
    const same = ids.join(',') === [...namesIn(original).keys()].join(',')
    const rest = { ...original, variables: original.variables?.filter(({ name }) => same || !/^OSDApp\d/i.test(name)) }
    const { retryCount, variable } = writeRunAgain(fields.class, original, lost)
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    const goesOn = fields.continueOnInstallError === true
    const editor = { hidden: true as const }
    const count = String(ids.length)
    const variables: VariableChange[] = [
      { name: 'ApplicationName', property: 'ApplicationName', ...editor, value: ids.join(',') || undefined },
      { name: 'BaseVariableName', property: 'BaseVariableName', ...editor, value: listVariable || undefined },
      { name: 'ContinueOnInstallError', property: 'ContinueOnInstallError', ...editor, value: String(goesOn) },
      { name: 'OSDApp', property: 'AppInfo', ...editor, value: ids.length === 0 ? undefined : count },
      { name: 'OSDAppCount', property: 'NumApps', value: ids.length === 0 ? undefined : count },
      ...(same ? [] : applications).flatMap(({ name, id = name }, index): VariableChange[] => [
        { name: `OSDApp${index}DisplayName`, property: `AppInfo${index}DisplayName`, value: name },
        { name: `OSDApp${index}Name`, property: `AppInfo${index}Name`, value: id },
      ]),
      variable,
    ]
    return {
      ...original,
      attributes: withAttributes(attributes, { retryCount, timeout: timeoutOfLimit(fields) }),
      action: `smsappinstall.exe /app:${ids.join(',')} /basevar:${listVariable} /continueOnError:${goesOn ? 'True' : 'False'}`,
      variables: withVariables(rest, variables),
    }
  },
}

/** What applications are called, by their ids, in the order of the list. */
function namesIn(original: OriginalStep): Map<string, string> {
  const names = new Map<string, string>()
  for (const { name, value } of original.variables ?? []) {
    const index = /^OSDApp(\d{1,4})Name$/i.exec(name)?.[1]
    if (index !== undefined && value !== '') names.set(value, valueIn(original, `OSDApp${index}DisplayName`) || value)
  }
  return names
}
