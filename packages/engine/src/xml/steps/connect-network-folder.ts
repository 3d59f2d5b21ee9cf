import { detail, type StepForm, usualAttributes, valueIn, withVariables } from './step-form.ts'

/** An account needs its password, which is a secret: such a step is kept. */
export const connectNetworkFolder: StepForm<'connectNetworkFolder'> = {
  type: 'connectNetworkFolder',
  class: 'SMS_TaskSequence_ConnectNetworkFolderAction',
  read(original) {
    if (valueIn(original, 'SMSConnectNetworkFolderAccount') !== '')
      return detail('its account needs its password as a secret, which is not supported here yet')
    const path = valueIn(original, 'SMSConnectNetworkFolderPath')
    const drive = valueIn(original, 'SMSConnectNetworkFolderDriveLetter').toUpperCase()
    return { fields: { path, ...(drive === '' ? {} : { drive }) } }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe', 'timeoutMinutes', 'account'] as const)
      if (fields[field] !== undefined) lost(field)
    return {
      ...original,
      attributes: usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList: '0' }),
      action: original.action ?? 'smsnetuse.exe %SMSConnectNetworkFolderPath%',
      variables: withVariables(original, [
        { name: 'SMSConnectNetworkFolderDriveLetter', property: 'DriveLetter', value: fields.drive ?? '' },
        { name: 'SMSConnectNetworkFolderPath', property: 'Path', value: fields.path },
        { name: 'SMSConnectNetworkFolderAccount', property: 'Username', value: '', onlyNew: true },
      ]),
    }
  },
}
