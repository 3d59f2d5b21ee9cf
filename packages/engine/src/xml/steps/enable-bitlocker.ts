import { isPlaceholder, nameInPlaceholder, placeholderOf } from '../found-secret.ts'
import {
  detail,
  type StepForm,
  toolkitPath,
  usualAttributes,
  type VariableChange,
  valueIn,
  withAttributes,
  withVariables,
} from './step-form.ts'
import { switchesIn } from './switches.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

/** Numbers of Windows' own interface for its volumes; 0 leaves it to the device. */
const methods = { aes128: '3', aes256: '4', xtsAes128: '6', xtsAes256: '7' } as const
const PIN = 'OSDBitLockerPIN'
const known = new Set(['enable', 'drive', 'wait', 'mode', 'pwd', 'full', 'crypt', 'ignoretpm'])
const isTrue = (value: string | undefined): boolean => /^(true|yes|1)$/i.test(value ?? '')

/** Everything stands in the action: the variables beside it are for the editor (task-sequence-xml §11.14). */
export const enableBitLocker: StepForm<'enableBitLocker'> = {
  type: 'enableBitLocker',
  class: 'SMS_TaskSequence_EnableBitLockerAction',
  read(original) {
    if (toolkitPath.test(original.action ?? ''))
      return { reason: { home: 'deploymentShare', why: 'it runs a script of the Microsoft Deployment Toolkit' } }
    const action = switchesIn(original.action ?? '', 'osdbitlocker.exe')
    const unknown =
      action === undefined ? undefined : [...action.flags, ...action.values.keys()].find((word) => !known.has(word))
    if (action?.flags.has('enable') !== true || unknown !== undefined)
      return detail(
        unknown === undefined ? 'its action is not known' : `its action has "/${unknown}", which is not known here`,
      )
    const told = (name: string): string => action.values.get(name) ?? ''
    const mode = told('mode').toLowerCase()
    if (!['', 'tpm', 'tpmpin'].includes(mode)) return detail('a startup key on a USB drive is not supported here')
    const pin = valueIn(original, PIN)
    if (mode === 'tpmpin' && pin !== '' && !isPlaceholder(pin))
      return detail('its PIN is in a variable: make it a secret')
    const recovery = told('pwd').toLowerCase()
    if (!['', 'ad', 'none'].includes(recovery))
      return detail(`"${recovery.slice(0, 40)}" is no place for the recovery password`)
    const drive = told('drive').replace(/\\$/, '').toUpperCase()
    const method = told('crypt')
    const encryption = Object.entries(methods).find(([, number]) => number === method)?.[0] as
      | keyof typeof methods
      | undefined
    if (encryption === undefined && !/^0*$/.test(method))
      return detail(`encryption method ${method.slice(0, 40)} is not known`)
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    return {
      fields: {
        ...(drive === '' ? {} : { drive }),
        ...(mode === 'tpmpin' ? { mode: 'tpmAndPin' as const, pin: nameInPlaceholder(pin) ?? PIN } : {}),
        ...(recovery === 'none' ? { recoveryPassword: false } : {}),
        ...(isTrue(action.values.get('full')) ? { fullDisk: true } : {}),
        ...(isTrue(action.values.get('wait')) ? { waitForEncryption: true } : {}),
        ...(encryption === undefined ? {} : { encryption }),
        ...(isTrue(action.values.get('ignoretpm')) ? { skipWithoutTpm: true } : {}),
        ...limit,
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe'] as const) if (fields[field] !== undefined) lost(field)
    const yes = (value: boolean | undefined): { word: string; text: string } =>
      value === true ? { word: 'True', text: 'true' } : { word: 'False', text: 'false' }
    const [wait, full, skip] = [yes(fields.waitForEncryption), yes(fields.fullDisk), yes(fields.skipWithoutTpm)]
    const mode = fields.mode === 'tpmAndPin' ? 'TPMPin' : 'TPM'
    const recovery = fields.recoveryPassword === false ? 'None' : 'AD'
    const method = fields.encryption === undefined ? '0' : methods[fields.encryption]
    const pin = fields.pin === undefined || fields.pin === PIN ? '' : placeholderOf(fields.pin)
    const hidden = (name: string, property: string, value: string | undefined): VariableChange => ({
      ...{ name: `OSDBitLocker${name}`, property, hidden: true, value },
    })
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    return {
      ...original,
      attributes: withAttributes(attributes, { timeout: timeoutOfLimit(fields) }),
      action: `OSDBitLocker.exe /enable ${fields.drive === undefined ? '' : `/drive:${fields.drive}`} /wait:${wait.word} /mode:${mode} /pwd:${recovery} /full:${full.word} /crypt:${method} /ignoretpm:${skip.word}`,
      variables: withVariables(original, [
        hidden('CreateRecoveryPassword', 'CreateRecoveryPassword', recovery),
        hidden('EncryptFullDisk', 'EncryptFullDisk', full.text),
        hidden('EncryptMethod', 'EncryptMethod', method),
        hidden('Mode', 'Mode', mode),
        hidden('PIN', 'PIN', mode === 'TPMPin' ? pin : undefined),
        hidden('SkipWhenNoValidTPM', 'SkipWhenNoValidTPM', skip.text),
        hidden('TargetDrive', 'TargetDrive', fields.drive),
        hidden('WaitForEncryption', 'WaitForEncryption', wait.text),
      ]),
    }
  },
}
