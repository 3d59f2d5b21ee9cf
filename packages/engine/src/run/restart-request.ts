/**
 * Restarts that a step asks for, and the variables beside them (configmgr-behaviour §3.8, §3.12 E):
 * `SMSTSRebootRequested` with `SMSTSRetryRequested`, the notice before a restart, and the delay of later ones.
 */
import { type Problem, problem } from '@sluice/protocol'
import type { Environment } from './variables.ts'

export interface RestartOrder {
  message: string
  /** Seconds that the user is warned. */
  timeoutSeconds: number
}

const MAX_DELAY_SECONDS = 86_400

/** Notice before a restart that an exit code or a script asked for; no delay is no notice (configmgr-behaviour §3.8). */
export function restartOf(environment: { get(name: string): string | undefined }): RestartOrder {
  const seconds = Number(environment.get('SMSTSRebootDelay') ?? '0')
  return {
    message: (environment.get('SMSTSRebootMessage') ?? '').slice(0, 512),
    timeoutSeconds: Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_DELAY_SECONDS ? seconds : 0,
  }
}

export type RestartRequest =
  | { kind: 'none' }
  | { kind: 'restart'; order: RestartOrder; again: boolean }
  | { kind: 'refused'; problem: Problem }

/** Takes the request out of the variables: the next step does not find it. */
export function takeRestartRequest(environment: Environment): RestartRequest {
  const target = environment.get('SMSTSRebootRequested')?.trim().toLowerCase() ?? ''
  const again = environment.get('SMSTSRetryRequested')?.trim().toLowerCase() === 'true'
  if (target === '' || target === 'false') return { kind: 'none' }
  environment.set('SMSTSRebootRequested', '')
  environment.set('SMSTSRetryRequested', '')
  if (target === 'winpe') {
    const reason = problem('PLATFORM_NOT_SUPPORTED', 'It asked for a restart into Windows PE, which is not there.')
    return { kind: 'refused', problem: reason }
  }
  return { kind: 'restart', order: restartOf(environment), again }
}

/** Every restart after the first has the delay of `SMSTSRebootDelayNext`, where there is one. */
export function useNextDelay(environment: Environment): void {
  const next = environment.get('SMSTSRebootDelayNext')
  if (next !== undefined && next !== environment.get('SMSTSRebootDelay')) environment.set('SMSTSRebootDelay', next)
}
