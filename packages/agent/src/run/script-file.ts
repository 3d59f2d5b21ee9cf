/** The script of a step as a file: PowerShell and others take a path. It is there while the step runs. */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Action } from '@sluice/engine'

type Command = Extract<Action, { kind: 'command' }>

export interface WrittenScript {
  /** With the path of the script among its words. */
  action: Command
  remove(): void
}

/** @param path what the names of files of this step begin with */
export function writeScript(path: string, action: Command): WrittenScript {
  const { script } = action
  if (script === undefined) return { action, remove: () => {} }
  const folder = `${path}.script`
  const remove = () => rmSync(folder, { recursive: true, force: true })
  remove()
  // Another account than ours must be able to read it; what it may not see stands in variables.
  mkdirSync(folder, { mode: action.account === undefined ? 0o700 : 0o755 })
  const file = join(folder, basename(script.name))
  // PowerShell takes a file without the mark for one in the code page of the system.
  writeFileSync(file, script.name.endsWith('.ps1') ? `\ufeff${script.text}` : script.text)
  chmodSync(file, action.account === undefined ? 0o600 : 0o644)
  const argv = action.argv.map((word, index) => (index === script.at ? file : word))
  return { action: { ...action, argv }, remove }
}
