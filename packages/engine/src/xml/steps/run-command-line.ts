import { PackageId, SettableVariableName } from '@sluice/protocol'
import { splitCommandLine } from '../../command-words.ts'
import {
  detail,
  ifThere,
  isOn,
  SECRET_REMOVED,
  type StepForm,
  toolkitPath,
  usualAttributes,
  type VariableChange,
  valueIn,
  withAttributes,
  withVariables,
} from './step-form.ts'

/** Seconds; the original's editor allows 999 minutes. */
const MAX_TIMEOUT_SECONDS = 999 * 60
const DEFAULT_SUCCESS_CODES = [0, 3010]

/**
 * The console writes `smsswd.exe /run:<package> <command>`, the toolkit the command itself. What the
 * action says counts, not the hidden variable beside it (task-sequence-xml §4).
 */
export const runCommandLine: StepForm<'runCommandLine'> = {
  type: 'runCommandLine',
  class: 'SMS_TaskSequence_RunCommandLineAction',
  read(original) {
    const action = original.action ?? ''
    const wrapped = /^smsswd\.exe\s+\/run:(\S*)(?:\s+(.*))?$/is.exec(action)
    const commandLine = (wrapped === null ? action : (wrapped[2] ?? '')).trim()
    const named = wrapped === null ? valueIn(original, 'PackageID') : (wrapped[1] ?? '')
    if (toolkitPath.test(commandLine))
      return {
        reason: {
          home: 'deploymentShare',
          why: 'its command is in a deployment share of the Microsoft Deployment Toolkit',
        },
      }
    if (commandLine === '') return detail('it has no command')
    const words = splitCommandLine(commandLine)
    if (!words.ok) return detail(`its command cannot be split into words: ${words.problem.detail.replace(/\.$/, '')}`)
    if (commandLine.includes(SECRET_REMOVED)) return detail('a secret in its command was removed at import')
    if (isOn(original, 'RunAsUser') || isOn(original, '_SMSTSRunCommandLineAsUser'))
      return detail('running as another account is not supported here yet')
    if (Number(original.attributes?.retryCount ?? '0') > 0)
      return detail('trying a command again is not supported here yet')
    const found = wrapped === null && /^0*$/.test(named) ? '' : named
    const packageId = PackageId.safeParse(found)
    if (found !== '' && !packageId.success) return detail(`"${found}" is not a package id`)
    const outputTo = valueIn(original, 'SMSTSRunCommandLineOutputVariableName')
    if (outputTo !== '' && !SettableVariableName.safeParse(outputTo).success)
      return detail(`its output goes to "${outputTo}", a name that may not be set`)
    const successCodes = numbers(original.attributes?.successCodeList)
    if (successCodes === undefined) return detail('its success codes are not numbers')
    const timeout = original.attributes?.timeout
    const seconds = timeout === undefined || /^0*$/.test(timeout) ? undefined : Number(timeout)
    if (seconds !== undefined && !(seconds > 0 && seconds <= MAX_TIMEOUT_SECONDS))
      return detail(`its time-out is not a number of seconds up to ${MAX_TIMEOUT_SECONDS}`)
    const startIn = original.attributes?.startIn?.trim() || valueIn(original, 'WorkingDirectory')
    return {
      fields: {
        commandLine,
        ...(packageId.success ? { package: packageId.data } : {}),
        ...(startIn === '' ? {} : { startIn }),
        ...(isDefault(successCodes) ? {} : { successCodes }),
        ...(seconds === undefined ? {} : { timeoutMinutes: seconds / 60 }),
        ...(outputTo === '' ? {} : { outputTo }),
      },
    }
  },
  write(fields, original, dialect, lost) {
    if (fields.class !== undefined) lost('class')
    if (fields.package !== undefined && typeof fields.package !== 'string') lost('package')
    const packageId = typeof fields.package === 'string' ? fields.package : undefined
    const { commandLine, timeoutMinutes } = fields
    const successCodeList = (fields.successCodes ?? DEFAULT_SUCCESS_CODES).join(' ')
    const timeout = timeoutMinutes === undefined ? undefined : String(timeoutMinutes * 60)
    const attributes = usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList })
    const plain = dialect === 'mdt' && packageId === undefined
    const outputTo = fields.outputTo ?? (plain ? ifThere(original, outputVariable) : '')
    const variables: VariableChange[] = plain
      ? [{ name: 'PackageID', value: ifThere(original, 'PackageID') }]
      : [
          { name: 'CommandLine', property: 'CommandLine', hidden: true, value: commandLine },
          { name: 'PackageID', property: 'PackageID', hidden: true, value: packageId },
          { name: 'SMSTSDisableWow64Redirection', property: 'DisableWow64Redirection', value: 'false', onlyNew: true },
          { name: '_SMSTSRunCommandLineAsUser', property: 'RunAsUser', value: 'false', onlyNew: true },
          { name: 'SuccessCodes', property: 'SuccessCodes', hidden: true, value: successCodeList },
        ]
    variables.push(
      { name: outputVariable, property: 'OutputVariableName', value: outputTo },
      { name: 'WorkingDirectory', property: 'WorkingDirectory', value: plain ? undefined : fields.startIn },
    )
    return {
      ...original,
      attributes: withAttributes(attributes, {
        successCodeList,
        timeout,
        startIn: plain ? (fields.startIn ?? '') : undefined,
      }),
      action: plain ? commandLine : `smsswd.exe /run:${packageId ?? ''} ${commandLine}`,
      variables: withVariables(original, variables),
    }
  },
}

const outputVariable = 'SMSTSRunCommandLineOutputVariableName'

/** Codes separated by blanks; none: the default. Codes of Windows may be larger than 2^31. */
function numbers(text: string | undefined): number[] | undefined {
  const words = (text ?? '').split(/[\s,;]+/).filter((word) => word !== '')
  if (words.length === 0) return DEFAULT_SUCCESS_CODES
  const codes = words.map(Number)
  return codes.every((code) => Number.isSafeInteger(code)) && codes.length <= 100 ? codes : undefined
}

const isDefault = (codes: readonly number[]): boolean => codes.join(' ') === DEFAULT_SUCCESS_CODES.join(' ')
