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

/** configmgr-behaviour §3.4. The restart is a step of its own. */
export const joinDomainOrWorkgroup: StepKind<'joinDomainOrWorkgroup'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const words: string[] = []
    for (const text of [step.workgroup ?? step.domain, step.account?.account, step.organizationalUnit]) {
      const word = environment.expand(text ?? '')
      if (!word.ok) return done(word.problem)
      words.push(word.value.value)
    }
    const [name = ''] = words
    if (step.workgroup !== undefined) return windowsCommand(powershell(joinWorkgroup, name), step)
    return windowsCommand(powershell(joinDomain, ...words), step, step.account?.secret)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Joining'),
}
