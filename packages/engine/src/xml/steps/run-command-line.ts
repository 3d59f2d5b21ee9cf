import { PackageId, SettableVariableName } from '@sluice/protocol'
import { splitCommandLine } from '../../run/command-words.ts'
import { holdsPlaceholder } from '../found-secret.ts'
import { readRunAs, writeRunAs } from './account.ts'
import {
  detail,
  ifThere,
  isOn,
  type StepForm,
  successCodesOf,
  timeoutSecondsOf,
  toolkitPath,
  usualAttributes,
  type VariableChange,
  valueIn,
  withAttributes,
  withVariables,
} from './step-form.ts'

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
    if (holdsPlaceholder(commandLine)) return detail('a secret in its command was removed at import')
    const runAs = readRunAs(original, accountVariables, isOn(original, 'RunAsUser') || isOn(original, AS_USER))
    if ('reason' in runAs) return runAs
    if (Number(original.attributes?.retryCount ?? '0') > 0)
      return detail('trying a command again is not supported here yet')
    const found = wrapped === null && /^0*$/.test(named) ? '' : named
    const packageId = PackageId.safeParse(found)
    if (found !== '' && !packageId.success) return detail(`"${found}" is not a package id`)
    const outputTo = valueIn(original, 'SMSTSRunCommandLineOutputVariableName')
    if (outputTo !== '' && !SettableVariableName.safeParse(outputTo).success)
      return detail(`its output goes to "${outputTo}", a name that may not be set`)
    const successCodes = successCodesOf(original)
    if (successCodes === 'wrong') return detail('its success codes are not numbers')
    const seconds = timeoutSecondsOf(original)
    if (seconds === 'wrong') return detail('its time-out is not a number of seconds up to 999 minutes')
    const startIn = original.attributes?.startIn?.trim() || valueIn(original, 'WorkingDirectory')
    return {
      fields: {
        commandLine,
        ...(packageId.success ? { package: packageId.data } : {}),
        ...(startIn === '' ? {} : { startIn }),
        ...(successCodes === undefined ? {} : { successCodes }),
        ...(seconds === undefined ? {} : { timeoutMinutes: seconds / 60 }),
        ...(outputTo === '' ? {} : { outputTo }),
        ...runAs,
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe', 'files'] as const) if (fields[field] !== undefined) lost(field)
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
          { name: 'SuccessCodes', property: 'SuccessCodes', hidden: true, value: successCodeList },
        ]
    variables.push(
      ...writeRunAs(fields.runAs, original, accountVariables, plain ? 'RunAsUser' : AS_USER),
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

const AS_USER = '_SMSTSRunCommandLineAsUser'
const accountVariables = {
  account: { name: 'SMSTSRunCommandLineUserName', property: 'UserName' },
  password: { name: 'SMSTSRunCommandLineUserPassword', property: 'UserPassword' },
}
const outputVariable = 'SMSTSRunCommandLineOutputVariableName'
