import { concludeExit } from './exit-code.ts'
import { done, type StepKind } from './step-kind.ts'
import { powershell, readsSecret, windowsCommand } from './windows-command.ts'

/** `net use` takes a password as a word or from a console only; this takes it as an argument of a method. */
const withAccount = [
  'param($drive, $path, $account) $ErrorActionPreference = "Stop"',
  readsSecret,
  '(New-Object -ComObject WScript.Network).MapNetworkDrive($drive, $path, $false, $account, $secret)',
].join('; ')

/** configmgr-behaviour §3.4. */
export const connectNetworkFolder: StepKind<'connectNetworkFolder'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const path = environment.expand(step.path)
    if (!path.ok) return done(path.problem)
    if (step.account === undefined) {
      const drive = step.drive === undefined ? [] : [step.drive]
      return windowsCommand(['net.exe', 'use', ...drive, path.value.value, '/persistent:no'], step)
    }
    const account = environment.expand(step.account.account)
    if (!account.ok) return done(account.problem)
    const argv = powershell(withAccount, step.drive ?? '', path.value.value, account.value.value)
    return windowsCommand(argv, step, step.account.secret)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Connecting the folder'),
}
