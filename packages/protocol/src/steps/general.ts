/** Steps of the menu *General*: readiness, variables, commands and scripts, other sequences, the network, restarts. */
import { z } from 'zod'
import { Condition } from '../condition.ts'
import { PackageId, SequenceId } from '../ids.ts'
import { SettableVariableName, VariableValue } from '../variable.ts'
import { acting, common, ofEvery, RunAs, running } from './fields.ts'
import { FilePatterns, PackageChoice } from './package-choice.ts'

/** General > Check Readiness (configmgr-behaviour §4.3). All enabled checks run; then it fails once, with 4316. */
export const CheckReadinessStep = z.strictObject({
  type: z.literal('checkReadiness'),
  ...common,
  minimumMemoryMB: z.int().positive().optional(),
  minimumProcessorMHz: z.int().positive().optional(),
  minimumFreeDiskMB: z.int().positive().optional(),
  architecture: z.enum(['x64', 'arm64', 'ia32']).optional(),
  platform: z.enum(['linux', 'windows']).optional(),
  /** Windows as a client or as a server; on other systems the check is not met. */
  osType: z.enum(['client', 'server']).optional(),
  minimumOsVersion: z.string().max(64).optional(),
  maximumOsVersion: z.string().max(64).optional(),
  /** Version of the agent, as the original checks that of its client. */
  minimumAgentVersion: z.string().max(64).optional(),
  /** Language tag as in `sv-SE`, or its first part alone. */
  language: z.string().min(2).max(35).optional(),
  /** AC power is plugged in: the device does not run on its battery. */
  acPower: z.boolean().optional(),
  /** A network adapter is connected; `wired`: one that is not wireless. */
  network: z.enum(['connected', 'wired']).optional(),
  uefi: z.boolean().optional(),
  tpm: z.enum(['enabled', 'activated']).optional(),
})

/** General > Set Task Sequence Variable. An empty value removes the variable. */
export const SetVariableStep = z.strictObject({
  type: z.literal('setVariable'),
  ...common,
  variable: SettableVariableName,
  value: VariableValue,
  /** Do not display this value: masked in log, status and pages. */
  hidden: z.boolean().optional(),
})

/**
 * General > Run Command Line. The command is split into words at blanks, without a shell; `"…"` and
 * `'…'` keep blanks, a doubled quote inside is one quote, a backslash is itself. Variables are
 * expanded afterwards, inside each word: a value is never more than one argument.
 */
export const RunCommandLineStep = z.strictObject({
  type: z.literal('runCommandLine'),
  ...acting,
  commandLine: z.string().min(1).max(32_000),
  /** The package whose folder the command starts in. */
  package: PackageChoice.optional(),
  /** With `package`: only these files of it; absent: all. */
  files: FilePatterns.optional(),
  ...running,
})

/**
 * General > Run PowerShell Script, and scripts for any other interpreter (configmgr-behaviour §3.4).
 * Variables are never expanded inside a script: it reads them with `sluice-ts`, or gets them as
 * parameters, each of which is one argument.
 */
export const RunScriptStep = z.strictObject({
  type: z.literal('runScript'),
  ...acting,
  /** `powershell` (the default), or the words of any other program that takes a script's path: `sh`, `python3 -u`. */
  interpreter: z.string().min(1).max(255).optional(),
  /** The script itself. */
  source: z.string().min(1).max(200_000).optional(),
  /** Instead of a source: a package, and the path of the script inside it. */
  package: PackageChoice.optional(),
  files: FilePatterns.optional(),
  script: z.string().min(1).max(1000).optional(),
  /** Split into words as a command line is; variables are expanded afterwards, inside each word. */
  parameters: z.string().max(4000).optional(),
  /** Of PowerShell on Windows; without it, the default of the device. */
  executionPolicy: z.enum(['AllSigned', 'Undefined', 'Bypass']).optional(),
  ...running,
})

const SetVariables = z
  .array(z.strictObject({ variable: SettableVariableName, value: VariableValue, hidden: z.boolean().optional() }))
  .min(1)
  .max(100)

/** General > Set Dynamic Variables (configmgr-behaviour §3.7): every rule that holds sets its variables, in this order. */
export const SetDynamicVariablesStep = z.strictObject({
  type: z.literal('setDynamicVariables'),
  ...common,
  rules: z
    .array(z.strictObject({ when: Condition.optional(), variables: SetVariables }))
    .min(1)
    .max(500),
})

/** General > Run Task Sequence: the steps of another sequence in the place of this one. */
export const RunTaskSequenceStep = z.strictObject({
  type: z.literal('runTaskSequence'),
  ...ofEvery,
  /** The id that it has in Configuration Manager stands for one that was imported and is not known here yet. */
  sequence: z.union([SequenceId, PackageId]),
})

/** General > Connect To Network Folder. Windows only. */
export const ConnectNetworkFolderStep = z.strictObject({
  type: z.literal('connectNetworkFolder'),
  ...acting,
  /** `\\server\share` */
  path: z.string().min(3).max(1000),
  drive: z
    .string()
    .regex(/^[D-WYZ]:$/, 'a drive letter such as N:, from D: to Z: and not X:')
    .optional(),
  account: RunAs.optional(),
})

/** General > Join Domain or Workgroup. Windows only. */
export const JoinDomainOrWorkgroupStep = z.strictObject({
  type: z.literal('joinDomainOrWorkgroup'),
  ...acting,
  workgroup: z.string().min(1).max(15).optional(),
  domain: z.string().min(1).max(255).optional(),
  organizationalUnit: z.string().max(1000).optional(),
  account: RunAs.optional(),
  /** Restarts the computer afterwards. */
  restart: z.boolean().optional(),
})

/** General > Restart Computer. */
export const RestartComputerStep = z.strictObject({
  type: z.literal('restartComputer'),
  ...common,
  message: z.string().max(512).optional(),
  /** Seconds that the user is warned; the original's default is 60 in its editor. */
  timeoutSeconds: z.int().min(0).max(86_400).optional(),
})
