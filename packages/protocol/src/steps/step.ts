/** Every step that a sequence may have. A new type stands in the file of its menu, and in this list. */
import { z } from 'zod'
import { OriginalStep } from '../original.ts'
import { DisableBitLockerStep, EnableBitLockerStep, UpgradeOperatingSystemStep } from './disks-and-images.ts'
import { ofEvery } from './fields.ts'
import {
  CheckReadinessStep,
  ConnectNetworkFolderStep,
  JoinDomainOrWorkgroupStep,
  RestartComputerStep,
  RunCommandLineStep,
  RunScriptStep,
  RunTaskSequenceStep,
  SetDynamicVariablesStep,
  SetVariableStep,
} from './general.ts'
import {
  DownloadPackageContentStep,
  InstallApplicationStep,
  InstallPackageStep,
  InstallSoftwareUpdatesStep,
} from './software.ts'

/**
 * A step of Configuration Manager that Sluice keeps, shows and writes back, but cannot run: a
 * sequence with an enabled one is refused before it starts.
 */
export const KeptStep = z.strictObject({ type: z.literal('kept'), ...ofEvery, original: OriginalStep })
export type KeptStep = z.infer<typeof KeptStep>

export const Step = z.discriminatedUnion('type', [
  CheckReadinessStep,
  SetVariableStep,
  DownloadPackageContentStep,
  RunCommandLineStep,
  RunScriptStep,
  SetDynamicVariablesStep,
  InstallPackageStep,
  InstallApplicationStep,
  InstallSoftwareUpdatesStep,
  RunTaskSequenceStep,
  ConnectNetworkFolderStep,
  DisableBitLockerStep,
  EnableBitLockerStep,
  JoinDomainOrWorkgroupStep,
  UpgradeOperatingSystemStep,
  RestartComputerStep,
  KeptStep,
])
export type Step = z.infer<typeof Step>
export type StepType = Step['type']
export type StepOf<T extends StepType> = Extract<Step, { type: T }>
