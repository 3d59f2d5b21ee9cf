import { concludeExit } from './exit-code.ts'
import { timeoutOf } from './program.ts'
import type { StepKind } from './step-kind.ts'
import { powershell, windowsCommand } from './windows-command.ts'

/** *Security Updates* among the categories of the Windows Update Agent. */
const SECURITY = '0fa1201d-4330-4fa8-8ae9-b877473b6441'

/** What needs somebody in front of the screen is left out. Result 2 is success of all. */
const windowsUpdate = [
  'param($target) $ErrorActionPreference = "Stop"',
  '$session = New-Object -ComObject Microsoft.Update.Session',
  '$wanted = New-Object -ComObject Microsoft.Update.UpdateColl',
  '$found = $session.CreateUpdateSearcher().Search("IsInstalled=0 and IsHidden=0 and Type=\'Software\'").Updates',
  [
    'foreach ($update in $found) {',
    `$security = @($update.Categories | ? CategoryID -eq "${SECURITY}").Count -gt 0`,
    'if (($target -eq "all" -or $security) -and -not $update.InstallationBehavior.CanRequestUserInput) {',
    'if (-not $update.EulaAccepted) { $update.AcceptEula() }',
    '[void]$wanted.Add($update) } }',
  ].join('\n'),
  'if ($wanted.Count -eq 0) { "There is nothing to install."; exit 0 }',
  '$downloader = $session.CreateUpdateDownloader()',
  '$downloader.Updates = $wanted',
  '$came = $downloader.Download().ResultCode',
  'if ($came -ne 2) { "The download ended with result $came."; exit 1 }',
  '$installer = $session.CreateUpdateInstaller()',
  '$installer.Updates = $wanted',
  '$done = $installer.Install()',
  'for ($i = 0; $i -lt $wanted.Count; $i++) { "$($wanted.Item($i).Title): result $($done.GetUpdateResult($i).ResultCode)" }',
  'if ($done.ResultCode -ne 2) { exit 1 }',
  'if ($done.RebootRequired) { exit 3010 }',
].join('\n')

/**
 * By the update tool of the system: apt, dnf or zypper on Linux, the Windows Update Agent on Windows.
 * `SMSInstallUpdateTarget` outranks the field (configmgr-behaviour §3.12 G).
 */
export const installSoftwareUpdates: StepKind<'installSoftwareUpdates'> = {
  fetches: () => false,
  async prepare(step, { environment, host }) {
    const told = environment.get('SMSInstallUpdateTarget')?.toLowerCase()
    const target = told === 'all' || told === 'mandatory' ? told : (step.target ?? 'mandatory')
    const { platform } = await host.facts()
    if (platform === 'windows') return windowsCommand(powershell(windowsUpdate, target), step)
    return { kind: 'act', action: { kind: 'softwareUpdates', target, timeoutMs: timeoutOf(step) } }
  },
  conclude: (_, { exitCode }, { environment }) =>
    concludeExit(exitCode, undefined, environment, 'The update of the system'),
}
