// biome-ignore lint/correctness/noNodejsModules: tests run on Node, and only they measure
import { cpuUsage } from 'node:process'

/**
 * Milliseconds that the processor spent on `work`. Unlike the time on the wall it hardly changes with
 * what else the machine does, so a test may bound it generously where hostile input could cost minutes.
 */
export function processorMs(work: () => void): number {
  const start = cpuUsage()
  work()
  const { user, system } = cpuUsage(start)
  return (user + system) / 1000
}
