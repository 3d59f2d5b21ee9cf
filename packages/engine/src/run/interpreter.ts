/** Interpreters of scripts, as words in front of the script's path. */
import { failed, ok, type Platform, type Result } from '@sluice/protocol'
import { splitCommandLine } from './command-words.ts'

export type ExecutionPolicy = 'AllSigned' | 'Undefined' | 'Bypass'

export interface Interpreter {
  /** The words before the script. */
  words: string[]
  /** What the name of the script's file ends with. */
  ending: string
}

/** @param named as a step says it; `powershell` stands for the one of the system */
export function interpreterOf(named: string, platform: Platform, policy?: ExecutionPolicy): Result<Interpreter> {
  if (named.toLowerCase() !== 'powershell') {
    const words = splitCommandLine(named)
    if (!words.ok) return failed(words.problem)
    return ok({ words: words.value, ending: /(^|[\\/])pwsh(\.exe)?$/i.test(words.value[0] ?? '') ? '.ps1' : '' })
  }
  const quiet = ['-NoLogo', '-NonInteractive', '-NoProfile']
  const windows = ['powershell.exe', ...quiet, ...(policy === undefined ? [] : ['-ExecutionPolicy', policy])]
  return ok({ words: [...(platform === 'windows' ? windows : ['pwsh', ...quiet]), '-File'], ending: '.ps1' })
}
