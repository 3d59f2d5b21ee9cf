import { failed, ok, type Problem, problem, type Result } from '@sluice/protocol'
import { flags } from '../run/flags.ts'
import { restartOf } from '../run/restart-request.ts'
import { RESTART_CODE } from './exit-code.ts'
import { done, type StepContext, type StepKind } from './step-kind.ts'

/** What a compatibility scan ends with when it found nothing (configmgr-behaviour §4.6). */
const SCAN_FOUND_NOTHING = 0xc1900210

/** configmgr-behaviour §4.4: package or source path, driver content, scan only. */
export const upgradeOperatingSystem: StepKind<'upgradeOperatingSystem'> = {
  fetches: (step) => step.package !== undefined,
  async prepare(step, context) {
    let sourcePath: string
    if (step.package !== undefined) {
      const chosen = context.choose(step.package)
      if (!chosen.ok) return done(chosen.problem)
      const content = await context.acquire(chosen.value)
      if (!content.ok) return done(content.problem)
      sourcePath = content.value.folder
    } else {
      const folder = await folderAt('source path', step.sourcePath ?? '', context)
      if (!folder.ok) return done(folder.problem)
      sourcePath = folder.value
    }
    let driverPath: string | undefined
    if (step.driverPath !== undefined) {
      const folder = await folderAt('driver path', step.driverPath, context)
      if (!folder.ok) return done(folder.problem)
      driverPath = folder.value
    }
    return {
      kind: 'act',
      action: {
        kind: 'upgradeOperatingSystem',
        sourcePath,
        driverPath,
        scanOnly: step.scanOnly === true,
        timeoutMs: step.timeoutMinutes === undefined ? undefined : step.timeoutMinutes * 60_000,
      },
    }
  },
  conclude(step, exit, { environment, flags: started }) {
    // Windows gives codes such as 0xC1900208 as negative numbers; scripts compare the unsigned ones.
    const exitCode = exit.exitCode >>> 0
    environment.setOwn('_SMSTSOSUpgradeActionReturnCode', String(exitCode))
    // Here the installer ends when all is done: what is behind it on Windows, and may go back, is behind nothing.
    const isThrough = step.scanOnly !== true && (exitCode === 0 || exitCode === RESTART_CODE)
    if (isThrough && started.includes(flags.setupRollback)) environment.setOwn('_SMSTSSetupRollback', 'false')
    if (exitCode === 0 || (step.scanOnly === true && exitCode === SCAN_FOUND_NOTHING)) return { exitCode }
    if (exitCode === RESTART_CODE) return { exitCode, restart: restartOf(environment) }
    const hex = exitCode.toString(16).toUpperCase()
    // What it said last: the reason, and where its log is.
    const said = exit.output.trim()
    const detail = `The installer ended with ${exitCode} (0x${hex}).${said === '' ? '' : ` ${said}`}`
    return { exitCode, problem: problem('UPGRADE_FAILED', detail) }
  },
}

/** An expanded path that is a folder now. */
async function folderAt(what: string, text: string, { environment, host }: StepContext): Promise<Result<string>> {
  const refuse = (reason: Problem): Result<never> => failed(reason)
  const path = environment.expand(text)
  if (!path.ok) return refuse(path.problem)
  const facts = await host.file(path.value.value)
  if (facts?.kind === 'folder') return ok(path.value.value)
  return refuse(problem('STEP_COULD_NOT_START', `The ${what} ${path.value.shown} is not a folder on this device.`))
}
