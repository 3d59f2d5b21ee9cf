import { detail, type StepForm, usualAttributes, valueIn, withAttributes, withVariables } from './step-form.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

/** The drive stands in the action alone: `OSDBitLocker.exe /disable /drive:D:`. */
export const disableBitLocker: StepForm<'disableBitLocker'> = {
  type: 'disableBitLocker',
  class: 'SMS_TaskSequence_DisableBitLockerAction',
  read(original) {
    const action = original.action ?? ''
    const known = /^osdbitlocker\.exe\s+\/disable(?:\s+\/drive:([a-z]:)\\?)?$/i.exec(action.trim())
    if (known === null) return detail('its action is not known')
    const count = valueIn(original, 'OSDBitLockerRebootCount')
    const rebootCount = count === '' ? undefined : Number(count)
    if (rebootCount !== undefined && !(Number.isInteger(rebootCount) && rebootCount >= 0 && rebootCount <= 15))
      return detail('its number of restarts is not one from 0 to 15')
    const drive = known[1]?.toUpperCase()
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    return {
      fields: {
        ...(drive === undefined ? {} : { drive }),
        ...(rebootCount === undefined ? {} : { rebootCount }),
        ...limit,
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe'] as const) if (fields[field] !== undefined) lost(field)
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    return {
      ...original,
      attributes: withAttributes(attributes, { timeout: timeoutOfLimit(fields) }),
      action: `OSDBitLocker.exe /disable${fields.drive === undefined ? '' : ` /drive:${fields.drive}`}`,
      variables: withVariables(original, [
        { name: 'OSDBitLockerRebootCount', property: 'RebootCount', value: fields.rebootCount?.toString() },
      ]),
    }
  },
}
