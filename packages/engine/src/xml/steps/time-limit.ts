/** The attribute `timeout` that every action may have, in seconds; natively minutes. */
import type { OriginalStep } from '@sluice/protocol'
import { detail, type KeptReason, timeoutSecondsOf } from './step-form.ts'

export function timeLimitIn(original: OriginalStep): { timeoutMinutes?: number } | { reason: KeptReason } {
  const seconds = timeoutSecondsOf(original)
  if (seconds === 'wrong') return detail('its time-out is not a number of seconds up to 999 minutes')
  return seconds === undefined ? {} : { timeoutMinutes: seconds / 60 }
}

export const timeoutOfLimit = ({ timeoutMinutes }: { timeoutMinutes?: number | undefined }): string | undefined =>
  timeoutMinutes === undefined ? undefined : String(timeoutMinutes * 60)
