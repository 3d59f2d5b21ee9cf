/** Steps that run a tool of Windows. Elsewhere they are refused before the run starts (obstacles.ts). */
import type { Action } from '../host.ts'
import { timeoutOf } from './program.ts'
import type { Prepared } from './step-kind.ts'

/** @param secretInput name of the secret that the program reads from its standard input, as `readsSecret` does */
export function windowsCommand(
  argv: string[],
  step: { timeoutMinutes?: number | undefined },
  secretInput?: string | undefined,
): Prepared {
  const action: Action = {
    kind: 'command',
    argv,
    workingDirectory: undefined,
    timeoutMs: timeoutOf(step),
    hidden: false,
    ...(secretInput === undefined ? {} : { secretInput }),
  }
  return { kind: 'act', action }
}

/** Words for `powershell.exe -Command`: the values are arguments of a script block, never its text. */
/** What PowerShell takes for a single quote: it ends a text in single quotes, and stands in one when it is doubled. */
const quotes = /['\u2018-\u201b]/g

export const powershell = (block: string, ...values: string[]): string[] => [
  ...['powershell.exe', '-NoLogo', '-NonInteractive', '-NoProfile', '-Command', `& {${block}}`],
  ...values.map((value) => `'${value.replace(quotes, '$&$&')}'`),
]

/**
 * Statements that read the secret from standard input into `$secret`, and into `$secure`. It is never the
 * parameter of a command: what PowerShell logs of pipelines has parameters in it.
 */
export const readsSecret = [
  '$secret = [Text.Encoding]::UTF8.GetString([Convert]::FromBase64String([Console]::In.ReadLine()))',
  '$secure = [Security.SecureString]::new()',
  'foreach ($letter in $secret.ToCharArray()) { $secure.AppendChar($letter) }',
].join('; ')
