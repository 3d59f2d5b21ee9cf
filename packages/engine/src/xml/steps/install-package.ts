import { PackageId, SettableVariableName } from '@sluice/protocol'
import { detail, type StepForm, usualAttributes, valueIn, withAttributes, withVariables } from './step-form.ts'
import { switchesIn } from './switches.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

const PROGRAM = '_SMSSWDProgramName'

/**
 * One program of one package, or a list in numbered variables: `smsswd.exe /pkg:<id> /install
 * /basevar:<list> /continueOnError:<bool>`. The command of a program is kept with the package there: it is
 * not in the file, and has to be written here before a device runs it.
 */
export const installPackage: StepForm<'installPackage'> = {
  type: 'installPackage',
  class: 'SMS_TaskSequence_InstallSoftwareAction',
  read(original) {
    const action = switchesIn(original.action ?? '', 'smsswd.exe')
    if (action?.flags.has('install') !== true || !action.values.has('pkg')) return detail('its action is not known')
    const [named, listVariable] = [action.values.get('pkg') ?? '', action.values.get('basevar') ?? '']
    const packageId = PackageId.safeParse(named)
    if (named !== '' && !packageId.success) return detail(`"${named.slice(0, 100)}" is not a package id`)
    if (named === '' && listVariable === '') return detail('it names no package')
    if (listVariable !== '' && !SettableVariableName.safeParse(listVariable).success)
      return detail(`its list is "${listVariable.slice(0, 100)}", a name that may not be set`)
    const program = valueIn(original, PROGRAM)
    if (packageId.success && program === '') return detail('it names no program of its package')
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    return {
      fields: {
        programs: packageId.success ? [{ package: packageId.data, program }] : [],
        ...(listVariable === '' ? {} : { listVariable }),
        ...(/^(true|yes|1)$/i.test(action.values.get('continueonerror') ?? '') ? { continueOnInstallError: true } : {}),
        ...limit,
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe'] as const) if (fields[field] !== undefined) lost(field)
    const { programs, listVariable = '' } = fields
    const [first] = programs
    if (programs.length > 1 || (listVariable !== '' && first !== undefined && valueIn(original, PROGRAM) === ''))
      lost('programs', 'the XML names one program, and a list by its variables alone')
    if (programs.some(({ commandLine, successCodes }) => commandLine !== undefined || successCodes !== undefined))
      lost('programs', 'the XML has commands with the package, not with the step')
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    const goesOn = fields.continueOnInstallError === true
    const editor = { hidden: true as const }
    return {
      ...original,
      attributes: withAttributes(attributes, { timeout: timeoutOfLimit(fields) }),
      action: `smsswd.exe /pkg:${first?.package ?? ''} /install /basevar:${listVariable} /continueOnError:${goesOn ? 'True' : 'False'}`,
      variables: withVariables(original, [
        { name: 'BaseVariableName', property: 'BaseVariableName', ...editor, value: listVariable || undefined },
        { name: 'ContinueOnInstallError', property: 'ContinueOnInstallError', ...editor, value: String(goesOn) },
        { name: 'PackageID', property: 'PackageID', ...editor, value: first?.package },
        { name: PROGRAM, property: 'ProgramName', value: first?.program },
      ]),
    }
  },
}
