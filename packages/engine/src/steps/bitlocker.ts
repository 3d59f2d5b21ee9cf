/** BitLocker by `manage-bde` (configmgr-behaviour §3.4). */
import type { StepOf } from '@sluice/protocol'
import type { Environment } from '../run/variables.ts'
import { concludeExit } from './exit-code.ts'
import type { StepKind } from './step-kind.ts'
import { powershell, readsSecret, windowsCommand } from './windows-command.ts'

/** Protection resumes after so many restarts; 0: not by itself. `OSDBitLockerRebootCountOverride` outranks `OSDBitLockerRebootCount`. */
function rebootCount(step: StepOf<'disableBitLocker'>, environment: Environment): number {
  const told = (name: string, least: number): number | undefined => {
    const number = Number(environment.get(name) ?? Number.NaN)
    return Number.isInteger(number) && number >= least && number <= 15 ? number : undefined
  }
  return told('OSDBitLockerRebootCountOverride', 0) ?? told('OSDBitLockerRebootCount', 1) ?? step.rebootCount ?? 1
}

export const disableBitLocker: StepKind<'disableBitLocker'> = {
  fetches: () => false,
  async prepare(step, { environment }) {
    const count = String(rebootCount(step, environment))
    const drive = step.drive ?? 'C:'
    return windowsCommand(['manage-bde.exe', '-protectors', '-disable', drive, '-RebootCount', count], step)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Suspending BitLocker'),
}

export const enableBitLocker: StepKind<'enableBitLocker'> = {
  fetches: () => false,
  async prepare(step) {
    const block = [
      'param($drive, $recovery, $full, $wait, $method, $skip) $ErrorActionPreference = "Stop"',
      'if ($skip -eq "yes" -and -not (Get-Tpm).TpmReady) { exit 0 }',
      '$more = @{}; if ($method) { $more.EncryptionMethod = $method }',
      'if ($recovery -eq "yes") { Add-BitLockerKeyProtector $drive -RecoveryPasswordProtector | Out-Null',
      'Get-BitLockerVolume $drive | % KeyProtector | ? KeyProtectorType -eq RecoveryPassword | % { Backup-BitLockerKeyProtector $drive -KeyProtectorId $_.KeyProtectorId | Out-Null } }',
      ...(step.pin === undefined ? [] : [readsSecret]),
      `Enable-BitLocker $drive ${step.pin === undefined ? '-TpmProtector' : '-TpmAndPinProtector -Pin $secure'} -SkipHardwareTest -UsedSpaceOnly:($full -ne "yes") @more | Out-Null`,
      'while ($wait -eq "yes" -and (Get-BitLockerVolume $drive).VolumeStatus -ne "FullyEncrypted") { Start-Sleep 5 }',
    ].join('; ')
    const yes = (value: boolean): string => (value ? 'yes' : 'no')
    const words = [
      yes(step.recoveryPassword ?? true),
      yes(step.fullDisk ?? false),
      yes(step.waitForEncryption ?? false),
      step.encryption ?? '',
      yes(step.skipWithoutTpm ?? false),
    ]
    return windowsCommand(powershell(block, step.drive ?? 'C:', ...words), step, step.pin)
  },
  conclude: (_, { exitCode }, { environment }) => concludeExit(exitCode, [0], environment, 'Enabling BitLocker'),
}
