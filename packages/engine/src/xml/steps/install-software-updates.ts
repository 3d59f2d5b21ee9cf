import { readRunAgain, writeRunAgain } from './run-again.ts'
import { detail, type StepForm, usualAttributes, valueIn, withAttributes, withVariables } from './step-form.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

const TARGET = 'SMSInstallUpdateTarget'

export const installSoftwareUpdates: StepForm<'installSoftwareUpdates'> = {
  type: 'installSoftwareUpdates',
  class: 'SMS_TaskSequence_InstallUpdateAction',
  read(original) {
    const target = valueIn(original, TARGET).toLowerCase()
    if (!['', 'all', 'mandatory'].includes(target)) return detail(`"${target.slice(0, 40)}" is not a choice of updates`)
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    return { fields: { ...(target === 'all' ? { target: 'all' as const } : {}), ...readRunAgain(original), ...limit } }
  },
  write(fields, original, dialect, lost) {
    if (fields.probe !== undefined) lost('probe')
    const { retryCount, variable } = writeRunAgain(fields.class, original, lost)
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    return {
      ...original,
      attributes: withAttributes(attributes, { retryCount, timeout: timeoutOfLimit(fields) }),
      action: original.action ?? `TSInstallSWUpdate.exe /target:%${TARGET}%`,
      variables: withVariables(original, [
        variable,
        { name: TARGET, property: 'Target', value: fields.target === 'all' ? 'All' : 'Mandatory' },
      ]),
    }
  },
}
