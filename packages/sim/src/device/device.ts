/**
 * A demo device: its own PID and mount namespace (and, for an ordinary user, a user namespace), so
 * that its boots have real boot identities and a restart ends every process in it. This is its
 * firmware: it boots the device again when the agent asked for a restart.
 *
 * Where the system has no namespaces, the init runs as a plain process and each boot is named by a
 * file (`bootFile`), which the agent's configuration points to.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

const RESTART = 194
const init = fileURLToPath(new URL('./device-init.sh', import.meta.url))
const agent = fileURLToPath(new URL('../../../agent/bin/sluice-agent.ts', import.meta.url))

/** Words before a command that give it root's rights over what the user owns. Empty for root. */
export function asRoot(): string[] {
  return process.getuid?.() === 0 ? [] : ['unshare', '--user', '--map-root-user', '--mount']
}

const isolation = () => [
  'unshare',
  ...(process.getuid?.() === 0 ? [] : ['--user', '--map-root-user']),
  ...['--mount', '--pid', '--fork', '--kill-child=KILL', '--mount-proc'],
]

/** Whether this system lets us make such a device. */
export function canIsolate(): boolean {
  const words = [...isolation(), 'true']
  try {
    execFileSync(words[0] ?? '', words.slice(1), { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

export interface Device {
  /** How often it was booted. */
  boots(): number
  /** Takes the current away: everything in the device dies at once. */
  powerOff(): Promise<void>
  /** Process id of the init in the outer system, for tests that kill what runs inside. */
  pid(): number | undefined
}

/**
 * Boots the device and keeps it running until `powerOff`.
 * @param options.configuration of the agent
 * @param options.logPath file for the agent's log; its standard output goes to the same name with `.out`
 * @param options.bootFile names the boot where there are no namespaces
 */
export function startDevice(options: {
  configuration: string
  logPath: string
  isolated: boolean
  bootFile: string
  onBoot?: (boot: number) => void
}): Device {
  let boots = 0
  let off = false
  let current: ChildProcess | undefined

  const firmware = (async () => {
    while (!off) {
      boots += 1
      if (!options.isolated) await writeFile(options.bootFile, randomUUID())
      const prefix = options.isolated ? isolation() : []
      const words = [...prefix, '/bin/sh', init, process.execPath, agent, options.configuration, options.logPath]
      current = spawn(words[0] ?? '', words.slice(1), { stdio: 'ignore', detached: true })
      options.onBoot?.(boots)
      const [code] = (await once(current, 'exit')) as [number | null]
      if (code !== RESTART) break
    }
  })()

  return {
    boots: () => boots,
    pid: () => current?.pid,
    async powerOff() {
      off = true
      // The group is the whole device: firmware child, and without namespaces the agent as well.
      if (current?.pid !== undefined && current.exitCode === null) killGroup(current.pid)
      await firmware
    },
  }
}

/** A group that ended by itself a moment ago is gone too. */
function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL')
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code !== 'ESRCH') throw fault
  }
}
