/**
 * The objects `Microsoft.SMS.TSEnvironment` and `Microsoft.SMS.TSProgressUI` for the scripts of a Windows computer:
 * compiled there with the compiler that every Windows has, and registered for programs of 64 and of 32 bits.
 *
 *   G1. Registered once, when the agent is installed, and not at each run: a run that is killed leaves nothing half
 *       registered, and steps need no right to the registry. Outside of a step the objects refuse to be made,
 *       which is what scripts look at to find out whether a task sequence runs.
 *   G2. What somebody else registered under these names, as a Configuration Manager client does, stays.
 */
import { win32 } from 'node:path'

/** Programs with their arguments; no shell. */
export type Command = readonly [program: string, ...words: string[]]

/** @see SluiceTS.cs */
export const COM_CLASSES = [
  { name: 'Microsoft.SMS.TSEnvironment', classId: '6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F02' },
  { name: 'Microsoft.SMS.TSProgressUI', classId: '6A0F2A53-3C7E-4E0D-9B9C-5B1C9A4A6F04' },
] as const

export interface Registration {
  /** Says which class has the name, for each; ends with another code than 0 where nobody has it. */
  owners: readonly { name: string; classId: string; ask: Command }[]
  register: readonly Command[]
  unregister: readonly Command[]
}

/**
 * @param windows folder of Windows, such as `C:\Windows`
 * @param folder with the source; the assembly is put beside it, where only administrators may write
 */
export function registrationOf(windows: string, folder: string): Registration {
  const [wide, narrow] = ['Framework64', 'Framework'].map((framework) =>
    win32.join(windows, 'Microsoft.NET', framework, 'v4.0.30319'),
  ) as [string, string]
  const assembly = win32.join(folder, 'SluiceTS.dll')
  const registrars = [wide, narrow].map((framework) => win32.join(framework, 'RegAsm.exe'))
  return {
    owners: COM_CLASSES.map(({ name, classId }) => ({
      name,
      classId,
      ask: [win32.join(windows, 'System32', 'reg.exe'), 'query', `HKLM\\SOFTWARE\\Classes\\${name}\\CLSID`, '/ve'],
    })),
    register: [
      [
        win32.join(wide, 'csc.exe'),
        ...['/nologo', '/target:library', '/optimize+', `/out:${assembly}`, win32.join(folder, 'SluiceTS.cs')],
      ],
      ...registrars.map((registrar): Command => [registrar, '/nologo', '/codebase', assembly]),
    ],
    unregister: registrars.map((registrar): Command => [registrar, '/nologo', '/unregister', assembly]),
  }
}
