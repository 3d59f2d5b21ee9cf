/** Every step type that the engine can run. */
import type { Step, StepOf, StepType } from '@sluice/protocol'
import { disableBitLocker, enableBitLocker } from './bitlocker.ts'
import { checkReadiness } from './check-readiness.ts'
import { connectNetworkFolder } from './connect-network-folder.ts'
import { downloadPackageContent } from './download-package-content.ts'
import { installApplication } from './install-application.ts'
import { installPackage } from './install-package.ts'
import { installSoftwareUpdates } from './install-software-updates.ts'
import { joinDomainOrWorkgroup } from './join-domain-or-workgroup.ts'
import { kept } from './kept.ts'
import { restartComputer } from './restart-computer.ts'
import { runCommandLine } from './run-command-line.ts'
import { runScript } from './run-script.ts'
import { runTaskSequence } from './run-task-sequence.ts'
import { setDynamicVariables } from './set-dynamic-variables.ts'
import { setVariable } from './set-variable.ts'
import type { Conclusion, Prepared, StepContext, StepKind } from './step-kind.ts'
import { upgradeOperatingSystem } from './upgrade-operating-system.ts'

const stepKinds: { [T in StepType]: StepKind<T> } = {
  checkReadiness,
  setVariable,
  downloadPackageContent,
  runCommandLine,
  runScript,
  setDynamicVariables,
  installPackage,
  installApplication,
  installSoftwareUpdates,
  runTaskSequence,
  connectNetworkFolder,
  disableBitLocker,
  enableBitLocker,
  joinDomainOrWorkgroup,
  upgradeOperatingSystem,
  restartComputer,
  kept,
}

/** A step together with what its type does. */
export interface BoundStep {
  readonly fetches: boolean
  prepare(context: StepContext): Promise<Prepared>
  conclude(exit: { exitCode: number; output: string }, context: StepContext): Promise<Conclusion>
}

export function bind(step: Step): BoundStep {
  // One type parameter ties a step to its kind; the union of all of them cannot.
  const one = <T extends StepType>(kind: StepKind<T>, of: StepOf<T>): BoundStep => ({
    fetches: kind.fetches(of),
    prepare: (context) => kind.prepare(of, context),
    conclude: async (exit, context) => kind.conclude?.(of, exit, context) ?? { exitCode: exit.exitCode },
  })
  return one(stepKinds[step.type] as StepKind<StepType>, step)
}
