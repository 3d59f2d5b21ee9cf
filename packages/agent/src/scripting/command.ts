/** `sluice-agent scripting register|unregister`: the objects for scripts, on Windows. */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { type Command, type Registration, registrationOf } from './registration.ts'

const usage = `Usage: sluice-agent scripting register|unregister

  register    makes Microsoft.SMS.TSEnvironment and Microsoft.SMS.TSProgressUI known to the scripts of this
              computer; once, as an administrator. Windows only: elsewhere scripts use sluice-ts or PowerShell
  unregister  takes them away again`

const FOLDER = fileURLToPath(new URL('../../powershell/SluiceTS', import.meta.url))
const TIMEOUT_MS = 120_000

interface Circumstances {
  system: NodeJS.Platform
  windows: string
  run: (command: Command) => { exitCode: number; output: string }
  out: (line: string) => void
  error: (line: string) => void
}

/** @param words after `scripting`. The exit code: 0 when it was done, 1 when not, 2 when not understood. */
export function scriptingCommand(words: readonly string[], at: Partial<Circumstances> = {}): number {
  const { system, windows, run, out, error } = { ...present(), ...at }
  const [verb, ...others] = words
  if ((verb !== 'register' && verb !== 'unregister') || others.length > 0) {
    error(usage)
    return 2
  }
  if (system !== 'win32') {
    error('There are such objects on Windows only. Here scripts use sluice-ts, or the PowerShell module SluiceTS.')
    return 1
  }
  const registration = registrationOf(windows, FOLDER)
  const stranger = strangerIn(registration, run)
  if (stranger !== undefined) {
    error(`Another product has registered ${stranger}: it is left as it is.`)
    return 1
  }
  for (const command of registration[verb]) {
    const { exitCode, output } = run(command)
    if (exitCode === 0) continue
    error(`${command.join(' ')} ended with ${exitCode}. ${output}`.trim())
    return 1
  }
  out(verb === 'register' ? 'The objects are registered.' : 'The objects are gone.')
  return 0
}

/** G2 */
function strangerIn({ owners }: Registration, run: Circumstances['run']): string | undefined {
  return owners.find(({ classId, ask }) => {
    const { exitCode, output } = run(ask)
    return exitCode === 0 && !output.toUpperCase().includes(classId)
  })?.name
}

const present = (): Circumstances => ({
  system: process.platform,
  windows: process.env.SystemRoot ?? 'C:\\Windows',
  out: console.log,
  error: console.error,
  run([program, ...words]) {
    const { status, stdout, stderr, error } = spawnSync(program, words, {
      encoding: 'utf8',
      timeout: TIMEOUT_MS,
      maxBuffer: 1024 * 1024,
      windowsHide: true,
    })
    return { exitCode: status ?? 1, output: error === undefined ? `${stdout}${stderr}`.trim() : error.message }
  },
})
