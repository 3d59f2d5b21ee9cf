/** The environment of a step on Windows: what the system says and nothing of what the agent was started with (SEC-77). */
import { win32 } from 'node:path'

/** What programs need to find their system; the names are those of Windows. */
const KEPT = [
  ...['ALLUSERSPROFILE', 'CommonProgramFiles', 'CommonProgramFiles(x86)', 'CommonProgramW6432', 'COMPUTERNAME'],
  ...['NUMBER_OF_PROCESSORS', 'OS', 'PROCESSOR_ARCHITECTURE', 'PROCESSOR_IDENTIFIER', 'ProgramData', 'ProgramFiles'],
  ...['ProgramFiles(x86)', 'ProgramW6432', 'PUBLIC', 'SystemDrive', 'SystemRoot', 'USERPROFILE', 'APPDATA'],
  ...['LOCALAPPDATA', 'windir'],
]

/** @param own environment of this process; names are compared without case, as Windows does */
export function systemEnvironment(own: NodeJS.ProcessEnv): Record<string, string> & { PATH: string } {
  const root = windowsFolder(own)
  const byName = new Map(Object.entries(own).map(([name, value]) => [name.toLowerCase(), value]))
  const kept = KEPT.flatMap((name) => {
    const value = byName.get(name.toLowerCase())
    return value === undefined ? [] : [[name, value]]
  })
  const folders = ['System32', '', 'System32\\Wbem', 'System32\\WindowsPowerShell\\v1.0']
  const temporary = win32.join(root, 'Temp')
  return {
    ...Object.fromEntries(kept),
    SystemRoot: root,
    windir: root,
    ComSpec: win32.join(root, 'System32', 'cmd.exe'),
    PATH: folders.map((folder) => win32.join(root, folder)).join(';'),
    PATHEXT: '.COM;.EXE;.BAT;.CMD;.VBS;.JS;.WSF;.MSC',
    TEMP: temporary,
    TMP: temporary,
  }
}

export const windowsFolder = (own: NodeJS.ProcessEnv): string => own.SystemRoot ?? own.SYSTEMROOT ?? 'C:\\Windows'
