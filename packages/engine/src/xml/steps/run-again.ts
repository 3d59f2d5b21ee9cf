/**
 * *Retry this step if computer unexpectedly restarts* (configmgr-behaviour §3.3): natively the class
 * `idempotent`, of which a lost attempt is followed by at most two more, the original's default.
 */
import type { OriginalStep, StepClass } from '@sluice/protocol'
import type { Lost, VariableChange } from './step-form.ts'

const DEFAULT_RETRIES = '2'

const retriesIn = ({ attributes }: OriginalStep): string => {
  const told = attributes?.retryCount?.trim() ?? ''
  return /^[1-9]\d*$/.test(told) ? told : '0'
}

export const readRunAgain = (original: OriginalStep): { class?: 'idempotent' } =>
  retriesIn(original) === '0' ? {} : { class: 'idempotent' }

/** The attribute and the variable beside it. */
export function writeRunAgain(
  stepClass: StepClass | undefined,
  original: OriginalStep,
  lost: Lost,
): { retryCount: string; variable: VariableChange } {
  if (stepClass === 'probe' || stepClass === 'once') lost('class')
  const was = retriesIn(original)
  const retryCount = stepClass !== 'idempotent' ? '0' : was === '0' ? DEFAULT_RETRIES : was
  return { retryCount, variable: { name: 'RetryCount', property: 'RetryCount', hidden: true, value: retryCount } }
}
