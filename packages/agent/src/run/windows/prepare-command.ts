/** `sluice-agent windows prepare`: compiles `SluiceStep` with the compiler that comes with every Windows. */
import { spawnSync } from 'node:child_process'
import { win32 } from 'node:path'
import { windowsFolder } from './environment.ts'
import { SOURCE_FOLDER } from './step-program.ts'

const usage = `Usage: sluice-agent windows prepare

  prepare  compiles the program that starts the steps of task sequences on this computer; once, as an administrator`

const TIMEOUT_MS = 120_000

/** @param windows folder of Windows; @param folder with the source, where only administrators may write */
export const compilerWords = (windows: string, folder: string): [program: string, ...words: string[]] => [
  win32.join(windows, 'Microsoft.NET', 'Framework64', 'v4.0.30319', 'csc.exe'),
  ...['/nologo', '/target:exe', '/optimize+', `/out:${win32.join(folder, 'SluiceStep.exe')}`],
  ...['SluiceStep.cs', 'WindowsApi.cs'].map((name) => win32.join(folder, name)),
]

/** @param words after `windows`. The exit code: 0 when it was done, 1 when not, 2 when not understood. */
export function prepareCommand(
  words: readonly string[],
  { out, error }: { out: (line: string) => void; error: (line: string) => void },
): number {
  if (words.length !== 1 || words[0] !== 'prepare') {
    error(usage)
    return 2
  }
  if (process.platform !== 'win32') {
    error('This is for Windows only: elsewhere steps need no program of their own.')
    return 1
  }
  const [compiler, ...rest] = compilerWords(windowsFolder(process.env), SOURCE_FOLDER)
  const {
    status,
    stdout,
    error: fault,
  } = spawnSync(compiler, rest, {
    ...{ encoding: 'utf8', timeout: TIMEOUT_MS, windowsHide: true },
  })
  if (status === 0) out('SluiceStep.exe is there: this computer can run task sequences.')
  else error(`${compiler} ended with ${status ?? fault?.message}. ${stdout ?? ''}`.trim())
  return status === 0 ? 0 : 1
}
