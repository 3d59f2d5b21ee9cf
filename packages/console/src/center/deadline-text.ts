import type { TFunction } from 'i18next'
import type { Measures } from '../ui/measures.ts'

/** When a required deployment starts by itself, or should have. */
export function deadlineText(deadlineAt: string, t: TFunction, measures: Measures): string {
  const time = measures.dateTime(deadlineAt)
  return Date.parse(deadlineAt) > Date.now() ? t('item.deadline', { time }) : t('item.deadlinePassed', { time })
}
