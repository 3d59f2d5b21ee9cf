import { spawnSync } from 'node:child_process'

/** What to skip a test for: programs that this machine lacks. A build machine skips nothing: there it fails. */
export function missing(...programs: string[]): string | false {
  if (process.env.CI === 'true') return false
  const lacking = programs.filter((name) => spawnSync('sh', ['-c', `command -v ${name}`]).status !== 0)
  return lacking.length > 0 && `${lacking.join(', ')} is not installed`
}
