import { type OriginalStep, PackageId, SettableVariableName } from '@sluice/protocol'
import { splitCommandLine } from '../../run/command-words.ts'
import { holdsPlaceholder } from '../found-secret.ts'
import { readRunAs, writeRunAs } from './account.ts'
import { decodeScript, encodeScript } from './script-text.ts'
import {
  detail,
  isOn,
  type StepForm,
  successCodesOf,
  timeoutSecondsOf,
  usualAttributes,
  type VariableChange,
  valueIn,
  withAttributes,
  withVariables,
} from './step-form.ts'

const AS_USER = '_SMSTSRunPowerShellAsUser'
const accountVariables = {
  account: { name: 'SMSTSRunPowerShellUserName', property: 'UserName' },
  password: { name: 'SMSTSRunPowerShellUserPassword', property: 'UserPassword' },
}
const policies = ['AllSigned', 'Undefined', 'Bypass'] as const

/** PowerShell only: the XML knows no other interpreter. The script is UTF-16 in Base64 (task-sequence-xml §5). */
export const runScript: StepForm<'runScript'> = {
  type: 'runScript',
  class: 'SMS_TaskSequence_RunPowerShellScriptAction',
  read(original) {
    const runAs = readRunAs(original, accountVariables, isOn(original, AS_USER))
    if ('reason' in runAs) return runAs
    const told = valueIn(original, 'OSDRunPowerShellScriptExecutionPolicy').toLowerCase()
    const executionPolicy = policies.find((name) => name.toLowerCase() === told)
    if (told !== '' && executionPolicy === undefined) return detail(`"${told.slice(0, 40)}" is not an execution policy`)
    const parameters = valueIn(original, 'OSDRunPowerShellScriptParameters')
    if (holdsPlaceholder(parameters)) return detail('a secret in its parameters was removed at import')
    const words = parameters === '' ? undefined : splitCommandLine(parameters)
    if (words?.ok === false) return detail('its parameters cannot be split into words')
    const outputTo = valueIn(original, 'OSDRunPowerShellScriptOutputVariableName')
    if (outputTo !== '' && !SettableVariableName.safeParse(outputTo).success)
      return detail(`its output goes to "${outputTo}", a name that may not be set`)
    const script = scriptOf(original)
    if (typeof script === 'string') return detail(script)
    const successCodes = successCodesOf(original)
    if (successCodes === 'wrong') return detail('its success codes are not numbers')
    const seconds = timeoutSecondsOf(original)
    if (seconds === 'wrong') return detail('its time-out is not a number of seconds up to 999 minutes')
    const startIn = valueIn(original, 'SMSTSRunPowerShellWorkingDirectory')
    return {
      fields: {
        ...script,
        ...(parameters === '' ? {} : { parameters }),
        ...(executionPolicy === undefined ? {} : { executionPolicy }),
        ...(startIn === '' ? {} : { startIn }),
        ...(successCodes === undefined ? {} : { successCodes }),
        ...(seconds === undefined ? {} : { timeoutMinutes: seconds / 60 }),
        ...(outputTo === '' ? {} : { outputTo }),
        ...runAs,
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe', 'files', 'interpreter'] as const)
      if (fields[field] !== undefined) lost(field)
    if (fields.package !== undefined && typeof fields.package !== 'string') lost('package')
    const successCodeList = (fields.successCodes ?? [0, 3010]).join(' ')
    const packageId = typeof fields.package === 'string' ? fields.package : undefined
    const prefix = 'OSDRunPowerShellScript'
    const variables: VariableChange[] = [
      { name: `${prefix}ExecutionPolicy`, property: 'ExecutionPolicy', value: fields.executionPolicy ?? '' },
      { name: `${prefix}OutputVariableName`, property: 'OutputVariableName', value: fields.outputTo ?? '' },
      { name: `${prefix}PackageID`, property: 'PackageID', value: packageId },
      { name: `${prefix}Parameters`, property: 'Parameters', value: fields.parameters ?? '' },
      ...writeRunAs(fields.runAs, original, accountVariables, AS_USER),
      { name: `${prefix}ScriptName`, property: 'ScriptName', value: fields.script },
      {
        name: `${prefix}SourceScript`,
        property: 'SourceScript',
        value: fields.source === undefined ? undefined : encodeScript(fields.source),
      },
      { name: `${prefix}SuccessCodes`, property: 'SuccessCodes', hidden: true, value: successCodeList },
      { name: 'SMSTSRunPowerShellWorkingDirectory', property: 'WorkingDirectory', value: fields.startIn },
    ]
    const attributes = usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList })
    const timeout = fields.timeoutMinutes === undefined ? undefined : String(fields.timeoutMinutes * 60)
    return {
      ...original,
      attributes: withAttributes(attributes, { successCodeList, timeout }),
      action: original.action ?? 'OSDRunPowerShellScript.exe',
      variables: withVariables(original, variables),
    }
  },
}

/** The script or where it is; a text says why there is none. */
function scriptOf(original: OriginalStep): { source: string } | { package: PackageId; script: string } | string {
  const encoded = valueIn(original, 'OSDRunPowerShellScriptSourceScript')
  const [named, script] = [
    valueIn(original, 'OSDRunPowerShellScriptPackageID'),
    valueIn(original, 'OSDRunPowerShellScriptScriptName'),
  ]
  if (encoded !== '') {
    if (holdsPlaceholder(encoded)) return 'a secret in its script was removed at import'
    const source = decodeScript(encoded)
    return source === undefined || source === '' ? 'its script cannot be read' : { source }
  }
  const packageId = PackageId.safeParse(named)
  if (!packageId.success) return named === '' ? 'it has no script' : `"${named.slice(0, 100)}" is not a package id`
  return script === '' ? 'it names no script of its package' : { package: packageId.data, script }
}
