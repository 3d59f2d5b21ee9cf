import { SettableVariableName, VariableValue } from '@sluice/protocol'
import { holdsPlaceholder } from '../found-secret.ts'
import {
  detail,
  isOn,
  type StepForm,
  usualAttributes,
  type VariableChange,
  valueIn,
  withVariables,
} from './step-form.ts'

/** Both dialects say name and value in variables; only the action differs. */
export const setVariable: StepForm<'setVariable'> = {
  type: 'setVariable',
  class: 'SMS_TaskSequence_SetVariableAction',
  read(original) {
    const [variable, value] = [valueIn(original, 'VariableName'), valueIn(original, 'VariableValue')]
    const hidden = isOn(original, 'DoNotShowVariableValue')
    const name = SettableVariableName.safeParse(variable)
    if (!name.success) return detail(`"${variable}" is a name that may not be set`)
    if (!VariableValue.safeParse(value).success) return detail('its value is longer than 4,000 characters')
    if (holdsPlaceholder(value)) return detail('its value was removed at import, since it is a secret')
    // An export leaves hidden values out (configmgr-behaviour §3.3).
    if (hidden && value === '') return detail('its value is hidden, so it is not in the file')
    return { fields: { variable, value, ...(hidden ? { hidden } : {}) } }
  },
  write({ variable, value: given, hidden }, original, dialect, lost) {
    // As the original does on export (configmgr-behaviour §3.3).
    if (hidden === true) lost('value', 'a hidden value is not exported')
    const value = hidden === true ? '' : given
    const isMdt = dialect === 'mdt'
    const editor = isMdt ? {} : { hidden: true as const }
    const flag = hidden === true ? 'true' : isMdt ? undefined : 'false'
    const variables: VariableChange[] = [
      { name: 'DoNotShowVariableValue', property: 'DoNotShowVariableValue', ...editor, value: flag },
      { name: 'VariableName', property: 'VariableName', ...editor, value: variable },
      { name: 'VariableValue', property: 'VariableValue', ...editor, value },
    ]
    const action = isMdt
      ? 'cscript.exe "%SCRIPTROOT%\\ZTISetVariable.wsf"'
      : `tsenv.exe "${variable}=${value}" /hiddenflag:${hidden === true ? 'True' : 'False'}`
    return {
      ...original,
      attributes: usualAttributes(original, dialect, {
        runIn: 'WinPEandFullOS',
        successCodeList: isMdt ? '0 3010' : '0',
      }),
      action,
      variables: withVariables(original, variables),
    }
  },
}
