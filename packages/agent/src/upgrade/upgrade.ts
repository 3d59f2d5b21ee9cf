/**
 * The action *Upgrade Operating System*: picks the way by what the package holds, and turns every
 * end into an exit code and a text for people.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Action, ActionOutcome } from '@sluice/engine'
import type { TraceLog } from '../run/cmtrace-log.ts'
import { APT_INDEX, upgradeByApt } from './apt.ts'
import { stageDrivers } from './drivers.ts'
import { FILES_MANIFEST, upgradeByFiles } from './files.ts'
import { exited, UpgradeFailed } from './outcome.ts'
import { readRelease } from './release.ts'

export interface UpgradeCircumstances {
  osRoot: string
  /** Of the run; stays over attempts. */
  workFolder: string
  log: TraceLog
  /** The installer's own output goes into a file beside `smsts.log`. */
  logPath: string
  /** Ends everything that the step started. */
  endEverything: () => Promise<void>
  onPercent: (percent: number) => void
}

export async function upgradeOperatingSystem(
  action: Extract<Action, { kind: 'upgradeOperatingSystem' }>,
  at: UpgradeCircumstances,
): Promise<ActionOutcome> {
  const say = (text: string, level: 'info' | 'error' = 'info') => at.log.write({ text, component: 'OSUpgrade', level })
  const logPath = join(dirname(at.logPath), 'os-upgrade.log')
  const workFolder = join(at.workFolder, 'upgrade')
  mkdirSync(workFolder, { recursive: true, mode: 0o700 })
  const before = readRelease(at.osRoot)?.name ?? 'a system without os-release'
  say(`${action.scanOnly ? 'Checking an upgrade of' : 'Upgrading'} ${before} in ${at.osRoot} from ${action.sourcePath}`)

  let timedOut = false
  const expire = async () => {
    timedOut = true
    await at.endEverything()
  }
  const limit = action.timeoutMs === undefined ? undefined : setTimeout(() => void expire(), action.timeoutMs)
  try {
    if (action.driverPath !== undefined && !action.scanOnly)
      say(`Driver content: ${await stageDrivers(action.driverPath, at.osRoot)} files put in place.`)
    const text = await choose(action, { ...at, workFolder, logPath })
    if (timedOut) return { kind: 'timedOut' }
    say(text)
    return exited('done', text)
  } catch (error) {
    if (timedOut) return { kind: 'timedOut' }
    const text = `${error instanceof Error ? error.message : error}\nLog: ${logPath}`
    say(error instanceof UpgradeFailed ? text : `${text}\n${error instanceof Error ? error.stack : ''}`, 'error')
    return exited(error instanceof UpgradeFailed ? error.code : 'installerFailed', text)
  } finally {
    clearTimeout(limit)
  }
}

function choose(
  { sourcePath, scanOnly }: Extract<Action, { kind: 'upgradeOperatingSystem' }>,
  at: UpgradeCircumstances,
): Promise<string> {
  const { osRoot, workFolder, logPath, log, onPercent } = at
  if (existsSync(join(sourcePath, FILES_MANIFEST)))
    return upgradeByFiles({ sourcePath, osRoot, scanOnly, log, onPercent })
  if (existsSync(join(sourcePath, APT_INDEX)))
    return upgradeByApt({ sourcePath, osRoot, scanOnly, workFolder, logPath, log, onPercent })
  throw new UpgradeFailed('noBackend', `${sourcePath} holds neither ${FILES_MANIFEST} nor ${APT_INDEX}.`)
}
