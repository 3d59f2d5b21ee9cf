import { problem } from '@sluice/protocol'
import { concludeExit } from './exit-code.ts'
import { timeoutOf } from './program.ts'
import { done, type StepKind } from './step-kind.ts'

/** By the update tool of the system: apt on Linux. `SMSInstallUpdateTarget` outranks the field (configmgr-behaviour §3.12 G). */
export const installSoftwareUpdates: StepKind<'installSoftwareUpdates'> = {
  fetches: () => false,
  async prepare(step, { environment, host }) {
    const { platform } = await host.facts()
    if (platform !== 'linux')
      return done(problem('PLATFORM_NOT_SUPPORTED', 'Updates of Windows are not installed from here yet.'))
    const told = environment.get('SMSInstallUpdateTarget')?.toLowerCase()
    const target = told === 'all' || told === 'mandatory' ? told : (step.target ?? 'mandatory')
    return { kind: 'act', action: { kind: 'softwareUpdates', target, timeoutMs: timeoutOf(step) } }
  },
  conclude: (_, { exitCode }, { environment }) =>
    concludeExit(exitCode, undefined, environment, 'The update of the system'),
}
