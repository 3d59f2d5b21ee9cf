/** A script of a condition: it only looks, so it runs in a child of the agent, with a limit, and nothing of it stays. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '@sluice/engine'
import { stepEnvironment } from './command.ts'
import { writeScript } from './script-file.ts'

/** @param workFolder of the run: the script lies there while it runs */
export async function probeScript(
  { text, argv, at, name }: Parameters<Host['probeScript']>[0],
  timeoutMs: number,
  workFolder: string,
): Promise<{ exitCode: number } | { why: string }> {
  const folder = mkdtempSync(join(workFolder, 'condition-'))
  const command = { kind: 'command', workingDirectory: undefined, timeoutMs, hidden: true } as const
  const script = writeScript(join(folder, 'probe'), { ...command, argv: [...argv, ''], script: { text, name, at } })
  const [program = '', ...words] = script.action.argv
  try {
    return await new Promise((resolve) => {
      const child = spawn(program, words, {
        ...{ cwd: folder, stdio: 'ignore', detached: true, windowsHide: true },
        env: stepEnvironment(),
      })
      let why: string | undefined
      const limit = setTimeout(() => {
        why = `the script took longer than ${timeoutMs / 1000} s`
        // The whole group: a script may have started others.
        if (child.pid !== undefined) endGroup(child.pid)
      }, timeoutMs)
      child.on('error', (error) => {
        clearTimeout(limit)
        resolve({ why: `${program}: ${error.message}` })
      })
      child.on('exit', (code, signal) => {
        clearTimeout(limit)
        resolve(
          why === undefined && code !== null ? { exitCode: code } : { why: why ?? `the script was ended by ${signal}` },
        )
      })
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Windows has no groups of processes to be ended: `taskkill /t` goes from parent to child. */
function endGroup(pid: number): void {
  if (process.platform !== 'win32') process.kill(-pid, 'SIGKILL')
  else
    spawn('taskkill.exe', ['/pid', String(pid), '/t', '/f'], { stdio: 'ignore', windowsHide: true }).on(
      'error',
      () => {},
    )
}
