/**
 * Step types that say more, or other things, than their class in XML: what the original keeps with an
 * application or package stands with the step here. The class is read as a step that is kept; the native
 * step is written as its class, and every field is told as lost.
 */
import type { StepType } from '@sluice/protocol'
import { detail, type RunnableType, type StepForm, usualAttributes } from './step-form.ts'

export function nativeOnly<T extends RunnableType & StepType>(type: T, title: string, why: string): StepForm<T> {
  return {
    type,
    class: `SMS_TaskSequence_${title}`,
    read: () => detail(why),
    write(fields, original, dialect, lost) {
      for (const field of Object.keys(fields)) if (field !== 'retry') lost(field)
      return {
        ...original,
        attributes: usualAttributes(original, dialect, { runIn: 'FullOS', successCodeList: '0' }),
      }
    },
  }
}
