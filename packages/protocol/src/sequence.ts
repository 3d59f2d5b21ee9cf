/**
 * A task sequence in its native form: what an administrator writes as YAML or JSON and what is
 * signed, byte for byte, in the catalogue. Strict: an unknown field is a fault in the file. What a
 * sequence *means* is the engine's business.
 */
import { z } from 'zod'
import { Condition } from './condition.ts'
import { PackageId } from './ids.ts'
import { OriginalSequence, OriginalStep } from './original.ts'
import { SettableVariableName, VariableValue } from './variable.ts'

/** What to do when the machine stopped in the middle of a step (design §6). */
export const StepClass = z.enum(['idempotent', 'once'])
export type StepClass = z.infer<typeof StepClass>

const common = {
  name: z.string().min(1).max(100),
  description: z.string().max(256).optional(),
  disabled: z.boolean().optional(),
  continueOnError: z.boolean().optional(),
  condition: Condition.optional(),
  original: OriginalStep.optional(),
}

/** Fields of every step that does something outside the engine. */
const acting = {
  ...common,
  class: StepClass.optional(),
  /** 1 to 999 minutes, as in the original; absent: no limit of its own. */
  timeoutMinutes: z.number().positive().max(999).optional(),
}

/** A package that is named outright, or chosen at run time among declared candidates. */
const PackageChoice = z.union([
  PackageId,
  z.strictObject({
    /** Text with `%name%` that must come out as one of the candidates' ids. */
    chosenBy: z.string().min(1).max(4000),
    candidates: z.array(PackageId).min(1).max(500),
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
  startIn: z.string().max(4000).optional(),
  /** Exit codes that mean success; 3010 asks for a restart. Default 0 and 3010. */
  successCodes: z.array(z.int()).min(1).max(100).optional(),
  /** Output to task sequence variable: the last 1,000 characters. */
  outputTo: SettableVariableName.optional(),
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
export const KeptStep = z.strictObject({ type: z.literal('kept'), ...common, original: OriginalStep })
export type KeptStep = z.infer<typeof KeptStep>

export const Step = z.discriminatedUnion('type', [
  CheckReadinessStep,
  SetVariableStep,
  DownloadPackageContentStep,
  RunCommandLineStep,
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
  steps: SequenceNode[]
}
export type SequenceNode = Group | Step

export const Group = z.strictObject({
  type: z.literal('group'),
  ...common,
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
  inputs: z.array(SequenceInput).max(200).default([]),
  /** Set once at the start, before the inputs: an input of the same name wins. */
  variables: z
    .array(z.strictObject({ variable: SettableVariableName, value: VariableValue }))
    .max(1000)
    .optional(),
  original: OriginalSequence.optional(),
  steps: z.array(SequenceNode).min(1).max(10_000),
})
export type Sequence = z.infer<typeof Sequence>
