import { PackageId, SequenceId } from '@sluice/protocol'
import { detail, type StepForm, usualAttributes, valueIn, withVariables } from './step-form.ts'

const [ID, NAME] = ['OSDSubTasksequencePackageID', 'OSDSubTasksequenceTsName']

/**
 * The id that the other sequence has there stands for it until somebody says which one it is here.
 * The references that stand with the call are its own: they come with it.
 */
export const runTaskSequence: StepForm<'runTaskSequence'> = {
  type: 'runTaskSequence',
  class: 'SMS_TaskSequence_SubTasksequence',
  read(original) {
    // `PKGID, name`, or the name alone (task-sequence-xml §4).
    const named = valueIn(original, ID) || (/^([A-Z0-9]{8})\s*,/i.exec(valueIn(original, NAME))?.[1] ?? '')
    const id = PackageId.safeParse(named)
    if (id.success) return { fields: { sequence: id.data } }
    const here = SequenceId.safeParse(named)
    if (here.success) return { fields: { sequence: here.data } }
    return detail('it does not say the id of the sequence that it runs')
  },
  write({ sequence }, original, dialect) {
    const empty = (name: string): { name: string; property: string; value: string; onlyNew: true } => ({
      ...{ name: `OSDSubTasksequence${name}`, property: name, value: '', onlyNew: true },
    })
    return {
      ...original,
      ...(original.element === undefined && original.action !== undefined
        ? {}
        : { element: 'subtasksequence' as const }),
      attributes: usualAttributes(original, dialect, { successCodeList: '0' }),
      action: original.action ?? 'SubTasksequence.exe',
      variables: withVariables(original, [
        { ...empty('TsName'), value: sequence },
        { name: ID, property: 'TsPackageID', value: sequence },
        empty('TsReferenceApplications'),
        empty('TsReferencePackages'),
      ]),
    }
  },
}
