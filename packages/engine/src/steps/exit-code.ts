/** Exit codes of programs (configmgr-behaviour §3.3): which mean success, and which asks for a restart. */
import { problem } from '@sluice/protocol'
import { restartOf } from '../run/restart-request.ts'
import type { Environment } from '../run/variables.ts'
import type { Conclusion } from './step-kind.ts'

export const RESTART_CODE = 3010
/** `0 3010` in the original. */
const DEFAULT_SUCCESS_CODES: readonly number[] = [0, RESTART_CODE]

/** @param what told when it failed, as in `The command` */
export function concludeExit(
  exitCode: number,
  successCodes: readonly number[] | undefined,
  environment: Environment,
  what: string,
): Conclusion {
  // Windows gives large codes as negative numbers, people write either; both mean the same 32 bits.
  const isSuccess = (successCodes ?? DEFAULT_SUCCESS_CODES).some(
    (code) => code === exitCode || code >>> 0 === exitCode >>> 0,
  )
  if (!isSuccess) return { exitCode, problem: problem('STEP_FAILED', `${what} ended with exit code ${exitCode}.`) }
  return exitCode === RESTART_CODE ? { exitCode, restart: restartOf(environment) } : { exitCode }
}
