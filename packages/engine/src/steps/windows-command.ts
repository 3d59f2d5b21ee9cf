/** Steps that run a tool of Windows. Elsewhere they are refused before the run starts (obstacles.ts). */
import type { Action } from '../host.ts'
import { timeoutOf } from './program.ts'
import type { Prepared } from './step-kind.ts'

export function windowsCommand(argv: string[], step: { timeoutMinutes?: number | undefined }): Prepared {
  const action: Action = {
    kind: 'command',
    argv,
    workingDirectory: undefined,
    timeoutMs: timeoutOf(step),
    hidden: false,
  }
  return { kind: 'act', action }
}

/** Words for `powershell.exe -Command`: the values are arguments of a script block, never its text. */
export const powershell = (block: string, ...values: string[]): string[] => [
  ...['powershell.exe', '-NoLogo', '-NonInteractive', '-NoProfile', '-Command', `& {${block}}`],
  ...values.map((value) => `'${value.replaceAll("'", "''")}'`),
]
