import { readAccount, writeAccount } from './account.ts'
import { type StepForm, usualAttributes, valueIn, withAttributes, withVariables } from './step-form.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

const accountVariables = {
  account: { name: 'SMSConnectNetworkFolderAccount', property: 'Username' },
  password: { name: 'SMSConnectNetworkFolderPassword', property: 'Password' },
}

export const connectNetworkFolder: StepForm<'connectNetworkFolder'> = {
  type: 'connectNetworkFolder',
  class: 'SMS_TaskSequence_ConnectNetworkFolderAction',
  read(original) {
    const read = readAccount(original, accountVariables)
    if ('reason' in read) return read
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    const path = valueIn(original, 'SMSConnectNetworkFolderPath')
    const drive = valueIn(original, 'SMSConnectNetworkFolderDriveLetter').toUpperCase()
    return { fields: { path, ...(drive === '' ? {} : { drive }), ...read, ...limit } }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe'] as const) if (fields[field] !== undefined) lost(field)
    const attributes = usualAttributes(original, dialect, { runIn: 'WinPEandFullOS', successCodeList: '0' })
    return {
      ...original,
      attributes: withAttributes(attributes, { timeout: timeoutOfLimit(fields) }),
      action: original.action ?? 'smsnetuse.exe %SMSConnectNetworkFolderPath%',
      variables: withVariables(original, [
        { name: 'SMSConnectNetworkFolderDriveLetter', property: 'DriveLetter', value: fields.drive ?? '' },
        { name: 'SMSConnectNetworkFolderPath', property: 'Path', value: fields.path },
        ...writeAccount(fields.account, original, accountVariables),
      ]),
    }
  },
}
