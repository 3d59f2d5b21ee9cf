import { concludeExit } from './exit-code.ts'
import { done, type StepKind } from './step-kind.ts'
import { powershell, windowsCommand } from './windows-command.ts'

/** configmgr-behaviour §3.4. A domain needs an account with its secret; the restart is a step of its own. */
export const joinDomainOrWorkgroup: StepKind<'joinDomainOrWorkgroup'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const name = environment.expand(step.workgroup ?? step.domain ?? '')
    if (!name.ok) return done(name.problem)
    const kind = step.workgroup === undefined ? '-DomainName' : '-WorkgroupName'
    return windowsCommand(powershell(`param($name) Add-Computer ${kind} $name -Force`, name.value.value), step)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Joining'),
}
