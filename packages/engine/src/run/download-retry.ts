import type { Environment } from './variables.ts'

/** SMSTSDownloadRetryCount and, in seconds, SMSTSDownloadRetryDelay (configmgr-behaviour §3.12 D). */
export function downloadRetry(environment: Environment): { count: number; delayMs: number } {
  const number = (name: string, most: number, otherwise: number): number => {
    const value = Number(environment.get(name) ?? otherwise)
    return value >= 0 && value <= most ? value : otherwise
  }
  return {
    count: Math.floor(number('SMSTSDownloadRetryCount', 1000, 2)),
    delayMs: Math.round(number('SMSTSDownloadRetryDelay', 3600, 15) * 1000),
  }
}
