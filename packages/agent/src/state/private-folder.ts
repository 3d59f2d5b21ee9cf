/** A folder that only the agent, the system and administrators may enter. */
import { spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { userInfo } from 'node:os'
import { win32 } from 'node:path'
import { windowsFolder } from '../run/windows/environment.ts'

const ICACLS_MS = 60_000

/** @throws when the system does not take it: what would lie in the folder is secret */
export function makePrivate(folder: string): void {
  if (process.platform !== 'win32') {
    chmodSync(folder, 0o700)
    return
  }
  const program = win32.join(windowsFolder(process.env), 'System32', 'icacls.exe')
  const { status, stderr, error } = spawnSync(program, privateAccess(folder, userInfo().username), {
    encoding: 'utf8',
    timeout: ICACLS_MS,
    windowsHide: true,
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`icacls ended with ${status} for ${folder}. ${stderr}`.trim())
}

/**
 * Words for `icacls`: nothing is inherited from above, where every user may read; what is made below inherits this.
 * Groups by their numbers, since their names are in the language of the system.
 */
export function privateAccess(folder: string, user: string): string[] {
  const all = '(OI)(CI)F'
  const own = user.toUpperCase() === 'SYSTEM' ? [] : [`${user}:${all}`]
  return [folder, '/inheritance:r', '/grant:r', `*S-1-5-18:${all}`, `*S-1-5-32-544:${all}`, ...own, '/q']
}
