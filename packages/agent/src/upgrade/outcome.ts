/** How an upgrade can end. The numbers are the exit codes of the step. */
import type { ActionOutcome } from '@sluice/engine'

export const upgradeExit = {
  /** The new release is there, or, in a scan, would be. */
  done: 0,
  /** The package holds nothing that can upgrade this system here. */
  noBackend: 10,
  /** The package is not what it must be. */
  packageUnusable: 11,
  /** Dependencies cannot be met, or the system is not one that this package upgrades. */
  notApplicable: 12,
  /** The installer ended with a failure; the system may be half upgraded, and the step may be run again. */
  installerFailed: 13,
  /** The installer said that all is well, and it is not: the release did not change, or packages are broken. */
  notUpgraded: 14,
} as const

export const exited = (code: keyof typeof upgradeExit, output: string): ActionOutcome => ({
  kind: 'exited',
  exitCode: upgradeExit[code],
  output: output.slice(-1000),
})

/** An end that was found while doing something else; `upgradeOperatingSystem` makes it the outcome. */
export class UpgradeFailed extends Error {
  override readonly name = 'UpgradeFailed'
  readonly code: keyof typeof upgradeExit
  constructor(code: keyof typeof upgradeExit, message: string) {
    super(message)
    this.code = code
  }
}
