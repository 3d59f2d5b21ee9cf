/**
 * A task sequence in its native form: what an administrator writes as YAML or JSON and what is
 * signed, byte for byte, in the catalogue. Strict: an unknown field is a fault in the file. What a
 * sequence *means* is the engine's business.
 */
import { z } from 'zod'
import { Condition } from './condition.ts'
import { PackageId, SequenceId } from './ids.ts'
import { LabelQuery } from './label.ts'
import { OriginalSequence, OriginalStep } from './original.ts'
import { SecretName } from './secret.ts'
import { SettableVariableName, VariableValue } from './variable.ts'

/** What to do when the machine stopped in the middle of a step (design §6). */
export const StepClass = z.enum(['idempotent', 'probe', 'once'])
export type StepClass = z.infer<typeof StepClass>

const ofEvery = {
  name: z.string().min(1).max(100),
  description: z.string().max(256).optional(),
  disabled: z.boolean().optional(),
  continueOnError: z.boolean().optional(),
  condition: Condition.optional(),
  original: OriginalStep.optional(),
}

/** Tries after the first, when a step failed. One of which nobody saw the end is no failure that is tried again. */
export const StepRetry = z.strictObject({
  count: z.int().min(1).max(100),
  /** Pause before each further try. */
  delaySeconds: z.int().min(0).max(3600).optional(),
})

const common = { ...ofEvery, retry: StepRetry.optional() }

/** Fields of every step that does something outside the engine. */
const acting = {
  ...common,
  class: StepClass.optional(),
  /**
   * With class `probe`: a command that only looks. It is run when nobody saw how the step ended, and
   * ends with 0 when the step had done its work, with 1 when it had not.
   */
  probe: z.string().min(1).max(32_000).optional(),
  /** 1 to 999 minutes, as in the original; absent: no limit of its own. */
  timeoutMinutes: z.number().positive().max(999).optional(),
}

/** An account and the secret that holds its password. On Linux a local account needs none. */
export const RunAs = z.strictObject({ account: z.string().min(1).max(255), secret: SecretName.optional() })
export type RunAs = z.infer<typeof RunAs>

/** What running a program has in every step that does. */
const running = {
  startIn: z.string().max(4000).optional(),
  /** Exit codes that mean success; 3010 asks for a restart. Default 0 and 3010. */
  successCodes: z.array(z.int()).min(1).max(100).optional(),
  /** Output to task sequence variable: the last 1,000 characters. */
  outputTo: SettableVariableName.optional(),
  runAs: RunAs.optional(),
  /** What its processes may ask for with `sluice-ts secret <name>`; each is revealed when it is asked for. */
  secrets: z.array(SecretName).min(1).max(20).optional(),
}

/** A package that is named outright, or chosen at run time among declared candidates. */
export const PackageChoice = z.union([
  PackageId,
  z.strictObject({
    /** Text with `%name%` that must come out as one of the candidates' ids. */
    chosenBy: z.string().min(1).max(4000),
    /** Ids; or labels, and every released package that has all of them is a candidate when policy is built. */
    candidates: z.union([z.array(PackageId).min(1).max(500), z.strictObject({ labels: LabelQuery })]),
  }),
])
export type PackageChoice = z.infer<typeof PackageChoice>

/**
 * Some files of a package: paths in it, with `*` for any text within a name, `?` for one character and `**`
 * for any folders. A folder stands for all that is in it.
 */
export const FilePatterns = z.array(z.string().min(1).max(260)).min(1).max(100)

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

/** Software > Download Package Content (configmgr-behaviour §3.5). */
export const DownloadPackageContentStep = z.strictObject({
  type: z.literal('downloadPackageContent'),
  ...common,
  packages: z.array(PackageChoice).min(1).max(100),
  /** Only these files, of each of the packages; absent: all. */
  files: FilePatterns.optional(),
  /** Save path as a variable: `MyContent` gives `MyContent01`, `MyContent02`, … in list order. */
  saveAs: SettableVariableName.optional(),
  /** If a package download fails, continue downloading other packages in the list. */
  continueOnPackageError: z.boolean().optional(),
  /**
   * Where it is put. `workingDirectory` (the default): for this run. `cache`: the client cache, where it
   * may stay. A path: a copy in `<path>/<package id>`, which is left there.
   */
  destination: z
    .union([z.enum(['workingDirectory', 'cache']), z.strictObject({ path: z.string().min(1).max(4000) })])
    .optional(),
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

/** A program of a package: what the original keeps with the package stands with the step, and is signed with it. */
const Program = z.strictObject({
  package: PackageId,
  /** As in `ABC00001:Install` of a list; upper and lower case count. */
  program: z.string().min(1).max(50),
  /** Absent in what was imported, where it is kept with the package: no device starts such a sequence. */
  commandLine: z.string().min(1).max(32_000).optional(),
  successCodes: z.array(z.int()).min(1).max(100).optional(),
})

/** Software > Install Package. Without a list every program is installed, with one those that it names, of these. */
export const InstallPackageStep = z.strictObject({
  type: z.literal('installPackage'),
  ...acting,
  programs: z.array(Program).max(100),
  /** Base name of numbered variables: `Apps001`, `Apps002`, … each with `PackageID:Program`. */
  listVariable: SettableVariableName.optional(),
  /** If a program of the list fails, continue with the others. */
  continueOnInstallError: z.boolean().optional(),
})

const Application = z.strictObject({
  /** As a list names it; upper and lower case count. */
  name: z.string().min(1).max(256),
  /** What Configuration Manager calls it, as in `ScopeId_…/Application_…`; for export. */
  id: z.string().min(1).max(256).optional(),
  package: PackageId.optional(),
  /** Absent, as `detect` is, in what was imported: no device starts such a sequence. */
  install: z.string().min(1).max(32_000).optional(),
  /** Holds when it is installed: it is then not installed again, and must hold afterwards. */
  detect: Condition.optional(),
  /** Where it does not hold, the application is passed over with a warning. */
  requires: Condition.optional(),
  successCodes: z.array(z.int()).min(1).max(100).optional(),
})

/** Software > Install Application. */
export const InstallApplicationStep = z.strictObject({
  type: z.literal('installApplication'),
  ...acting,
  applications: z.array(Application).max(100),
  /** Base name of numbered variables: `Apps01`, `Apps02`, … each with the name of an application. */
  listVariable: SettableVariableName.optional(),
  /** If an application fails, continue with the others. */
  continueOnInstallError: z.boolean().optional(),
})

/** Software > Install Software Updates, by the update tool of the operating system. */
export const InstallSoftwareUpdatesStep = z.strictObject({
  type: z.literal('installSoftwareUpdates'),
  ...acting,
  /** `mandatory` (the default): security updates. `all`: everything. */
  target: z.enum(['mandatory', 'all']).optional(),
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

const Drive = z.string().regex(/^[A-Z]:$/, 'a drive letter such as C:')

/** Disks > Disable BitLocker: suspends its protectors. Windows only. */
export const DisableBitLockerStep = z.strictObject({
  type: z.literal('disableBitLocker'),
  ...acting,
  /** Absent: that of the operating system. */
  drive: Drive.optional(),
  /** Restarts until protection resumes; default 1. */
  rebootCount: z.int().min(0).max(15).optional(),
})

/** Disks > Enable BitLocker. Windows only. */
export const EnableBitLockerStep = z.strictObject({
  type: z.literal('enableBitLocker'),
  ...acting,
  drive: Drive.optional(),
  /** `tpm` (the default), or the TPM with a PIN, which is a secret. */
  mode: z.enum(['tpm', 'tpmAndPin']).optional(),
  pin: SecretName.optional(),
  /** A recovery password is made and kept in Active Directory; default yes. */
  recoveryPassword: z.boolean().optional(),
  /** The whole disk and not only what is used. */
  fullDisk: z.boolean().optional(),
  waitForEncryption: z.boolean().optional(),
  /** Absent: what the device uses by itself. */
  encryption: z.enum(['aes128', 'aes256', 'xtsAes128', 'xtsAes256']).optional(),
  /** A computer without a TPM that is ready is passed over. */
  skipWithoutTpm: z.boolean().optional(),
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

/** Images > Upgrade Operating System (configmgr-behaviour §4.4). */
export const UpgradeOperatingSystemStep = z.strictObject({
  type: z.literal('upgradeOperatingSystem'),
  ...acting,
  package: PackageChoice.optional(),
  /** Instead of a package: a folder that an earlier step downloaded, as in `%Upgrade01%`. */
  sourcePath: z.string().max(4000).optional(),
  /** Folder with driver content, as in `%Drivers01%`. */
  driverPath: z.string().max(4000).optional(),
  /** Only check whether the upgrade would work. */
  scanOnly: z.boolean().optional(),
})

/** General > Restart Computer. */
export const RestartComputerStep = z.strictObject({
  type: z.literal('restartComputer'),
  ...common,
  message: z.string().max(512).optional(),
  /** Seconds that the user is warned; the original's default is 60 in its editor. */
  timeoutSeconds: z.int().min(0).max(86_400).optional(),
})

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

export interface Group {
  type: 'group'
  name: string
  description?: string | undefined
  disabled?: boolean | undefined
  continueOnError?: boolean | undefined
  condition?: Condition | undefined
  original?: OriginalStep | undefined
  /** The steps are those of this sequence, as it was when this one was released. */
  sequence?: SequenceId | undefined
  steps: SequenceNode[]
}
export type SequenceNode = Group | Step

export const Group = z.strictObject({
  type: z.literal('group'),
  ...ofEvery,
  sequence: SequenceId.optional(),
  steps: z.array(z.lazy((): z.ZodType<SequenceNode> => SequenceNode)).max(10_000),
})
export const SequenceNode: z.ZodType<SequenceNode> = z.discriminatedUnion('type', [Group, ...Step.options])

/** A value that may come from outside the signed sequence (design §5). */
export const SequenceInput = z.strictObject({
  variable: SettableVariableName,
  description: z.string().max(256).optional(),
  /** Regular expression that the whole value must match. */
  pattern: z.string().max(500).optional(),
  maxLength: z.int().min(1).max(4000).default(4000),
  default: VariableValue.optional(),
})
export type SequenceInput = z.infer<typeof SequenceInput>

export const SEQUENCE_FORMAT = 'sluice-sequence/1'

export const Sequence = z.strictObject({
  format: z.literal(SEQUENCE_FORMAT),
  name: z.string().min(1).max(127),
  description: z.string().max(512).optional(),
  /** Shown in Software Center, 0 to 999 minutes. */
  estimatedRunTimeMinutes: z.int().min(0).max(999).optional(),
  /** Original's default: 120. */
  maximumRunTimeMinutes: z.int().min(1).max(10_080).default(120),
  /** What the user reads before installing; without it, the standard text for OS upgrades. */
  confirmation: z.strictObject({ headline: z.string().max(255), text: z.array(z.string().max(255)).max(3) }).optional(),
  /** Whether its runs may be debugged where releases are made with keys that the site does not hold. */
  debug: z.boolean().optional(),
  inputs: z.array(SequenceInput).max(200).default([]),
  /** Set once at the start, before the inputs: an input of the same name wins. */
  variables: z
    .array(z.strictObject({ variable: SettableVariableName, value: VariableValue }))
    .max(1000)
    .optional(),
  original: OriginalSequence.optional(),
  steps: z.array(SequenceNode).min(1).max(10_000),
  /** Runs at the end, however that came: after success, failure and cancelling. */
  finally: z.array(SequenceNode).min(1).max(1_000).optional(),
})
export type Sequence = z.infer<typeof Sequence>
