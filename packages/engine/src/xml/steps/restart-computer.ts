import { detail, type StepForm, usualAttributes, type VariableChange, valueIn, withVariables } from './step-form.ts'

/**
 * The console says the target in a hidden variable; the toolkit's sequences name Windows PE in the
 * action although a plain restart is meant (task-sequence-xml §9.18), and spell variables another way.
 */
export const restartComputer: StepForm<'restartComputer'> = {
  type: 'restartComputer',
  class: 'SMS_TaskSequence_RebootAction',
  read(original) {
    const target = original.variables?.find(({ name, hidden }) => name === 'SMSRebootTarget' && hidden === true)
    if (target?.value.toLowerCase() === 'winpe')
      return { reason: { home: 'windowsPE', why: 'it restarts into Windows PE' } }
    const message = valueIn(original, 'SMSRebootMessage') || valueIn(original, 'Message')
    const timeout = valueIn(original, 'SMSRebootTimeout') || valueIn(original, 'MessageTimeout')
    if (message.length > 512) return detail('its message is longer than 512 characters')
    const timeoutSeconds = timeout === '' ? undefined : Number(timeout)
    if (
      timeoutSeconds !== undefined &&
      !(Number.isInteger(timeoutSeconds) && timeoutSeconds >= 0 && timeoutSeconds <= 86_400)
    )
      return detail(`its time-out "${timeout.slice(0, 40)}" is not a number of seconds up to a day`)
    return {
      fields: {
        ...(message === '' ? {} : { message }),
        ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }),
      },
    }
  },
  write({ message, timeoutSeconds }, original, dialect) {
    const isMdt = dialect === 'mdt'
    const old = original.variables?.some(({ name }) => name === 'Message' || name === 'MessageTimeout') === true
    const variables: VariableChange[] = [
      { name: old ? 'Message' : 'SMSRebootMessage', property: 'Message', value: message ?? '' },
      {
        name: old ? 'MessageTimeout' : 'SMSRebootTimeout',
        property: 'MessageTimeout',
        value: timeoutSeconds?.toString() ?? '',
      },
    ]
    if (!isMdt) variables.push({ name: 'SMSRebootTarget', property: 'Target', hidden: true, value: 'HD' })
    const anew = original.action === undefined
    return {
      ...original,
      attributes: usualAttributes(original, dialect, {
        runIn: 'WinPEandFullOS',
        successCodeList: isMdt ? '0 3010' : '0',
      }),
      action: anew || !isMdt ? 'smsboot.exe /target:HD' : original.action,
      variables: withVariables(original, variables),
    }
  },
}
