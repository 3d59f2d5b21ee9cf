import { readAccount, writeAccount } from './account.ts'
import { detail, type StepForm, usualAttributes, valueIn, withAttributes, withVariables } from './step-form.ts'
import { timeLimitIn, timeoutOfLimit } from './time-limit.ts'

const accountVariables = {
  account: { name: 'OSDJoinAccount', property: 'DomainUsername' },
  password: { name: 'OSDJoinPassword', property: 'DomainPassword' },
}

/** The original restarts afterwards, unless *skip reboot* is set; type 0 is a domain, 1 a workgroup. */
export const joinDomainOrWorkgroup: StepForm<'joinDomainOrWorkgroup'> = {
  type: 'joinDomainOrWorkgroup',
  class: 'SMS_TaskSequence_JoinDomainWorkgroupAction',
  read(original) {
    const type = valueIn(original, 'OSDJoinType')
    const isWorkgroup = type === '1' || (type === '' && valueIn(original, 'OSDJoinDomainName') === '')
    if (!['', '0', '1'].includes(type)) return detail(`"${type.slice(0, 40)}" is neither a domain nor a workgroup`)
    const limit = timeLimitIn(original)
    if ('reason' in limit) return limit
    const restart = /^(true|yes|1)$/i.test(valueIn(original, 'OSDJoinSkipReboot')) ? {} : { restart: true }
    if (isWorkgroup) {
      const workgroup = valueIn(original, 'OSDJoinWorkgroupName')
      return workgroup === '' ? detail('it names no workgroup') : { fields: { workgroup, ...restart, ...limit } }
    }
    const read = readAccount(original, accountVariables)
    if ('reason' in read) return read
    const domain = valueIn(original, 'OSDJoinDomainName')
    if (domain === '') return detail('it names no domain')
    if (read.account === undefined) return detail('it names no account that may join the domain')
    const organizationalUnit = valueIn(original, 'OSDJoinDomainOUName')
    return {
      fields: {
        ...{ domain, ...read, ...restart, ...limit },
        ...(organizationalUnit === '' ? {} : { organizationalUnit }),
      },
    }
  },
  write(fields, original, dialect, lost) {
    for (const field of ['class', 'probe'] as const) if (fields[field] !== undefined) lost(field)
    const { domain, workgroup, organizationalUnit } = fields
    const attributes = usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' })
    return {
      ...original,
      attributes: withAttributes(attributes, { timeout: timeoutOfLimit(fields) }),
      action: original.action ?? 'osdjoin.exe /type:%OSDJoinType%',
      variables: withVariables(original, [
        ...writeAccount(fields.account, original, accountVariables),
        { name: 'OSDJoinDomainName', property: 'DomainName', value: domain },
        { name: 'OSDJoinDomainOUName', property: 'DomainOUName', value: organizationalUnit },
        { name: 'OSDJoinSkipReboot', property: 'SkipReboot', value: String(fields.restart !== true) },
        { name: 'OSDJoinType', property: 'Type', value: workgroup === undefined ? '0' : '1' },
        { name: 'OSDJoinWorkgroupName', property: 'WorkgroupName', value: workgroup },
      ]),
    }
  },
}
