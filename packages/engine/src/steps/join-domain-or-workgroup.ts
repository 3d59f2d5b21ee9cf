import { restartOf } from '../run/restart-request.ts'
import { concludeExit } from './exit-code.ts'
import { done, type StepKind } from './step-kind.ts'
import { powershell, readsSecret, windowsCommand } from './windows-command.ts'

const joinWorkgroup = 'param($name) Add-Computer -WorkgroupName $name -Force -ErrorAction Stop'
const joinDomain = [
  'param($name, $account, $unit) $ErrorActionPreference = "Stop"',
  readsSecret,
  '$more = @{ Credential = [pscredential]::new($account, $secure) }; if ($unit -ne "") { $more.OUPath = $unit }',
  'Add-Computer -DomainName $name @more -Force',
].join('; ')

/** configmgr-behaviour §3.4. Without `restart`, that is a step of its own. */
export const joinDomainOrWorkgroup: StepKind<'joinDomainOrWorkgroup'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const words: string[] = []
    const unit = step.organizationalUnit?.replace(/^LDAP:[/][/]/i, '')
    for (const text of [step.workgroup ?? step.domain, step.account?.account, unit]) {
      const word = environment.expand(text ?? '')
      if (!word.ok) return done(word.problem)
      words.push(word.value.value)
    }
    const [name = ''] = words
    if (step.workgroup !== undefined) return windowsCommand(powershell(joinWorkgroup, name), step)
    return windowsCommand(powershell(joinDomain, ...words), step, step.account?.secret)
  },
  conclude(step, { exitCode }, { environment }) {
    const end = concludeExit(exitCode, [0], environment, 'Joining')
    return end.problem === undefined && step.restart === true ? { ...end, restart: restartOf(environment) } : end
  },
}
