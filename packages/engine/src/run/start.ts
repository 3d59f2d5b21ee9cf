/** The first state of a run: its variables are what the device, the deployment and the sequence say. */
import {
  type DeploymentId,
  type DeploymentSettings,
  type DeviceFacts,
  failed,
  ok,
  type PolicyVariable,
  problem,
  type Result,
  type Sequence,
  type SequenceId,
} from '@sluice/protocol'
import type { MachineFacts } from '../host.ts'
import { refusal } from '../sequence/obstacles.ts'
import { compilePattern } from '../sequence/pattern.ts'
import { currentFlags } from './flags.ts'
import type { InstructionTable } from './flatten.ts'
import { fromOutside } from './outside.ts'
import type { JournalEntry, RunState } from './run-state.ts'
import { Environment } from './variables.ts'

/** `refuse`: only declared inputs. `allow`: others too, with a warning; for catalogues in online mode (design §5). */
export type UndeclaredInputs = 'refuse' | 'allow'

export interface RunStart {
  sequence: Sequence
  table: InstructionTable
  sequenceId: SequenceId
  deploymentId: DeploymentId
  /** Of the device and its collections, each name once. */
  variables?: readonly PolicyVariable[]
  settings: Pick<DeploymentSettings, 'inputs' | 'contentOption' | 'downloadRetryCount' | 'downloadRetryDelayMs'>
  undeclaredInputs: UndeclaredInputs
  startedBy: 'user' | 'deadline'
  facts: DeviceFacts
  /** What the device tells beside its facts, and who it is; absent in previews. */
  machine?: MachineFacts
  device?: { id?: string; site?: string; organization?: string; dataPath: string; cachePath: string }
  /** Folder of `smsts.log`. */
  logPath: string
  /** Milliseconds since 1970, for the journal. */
  at: number
}

export interface StartedRun {
  state: RunState
  /** To be committed together with the state. */
  entries: JournalEntry[]
  /** Inputs that nobody declared. */
  warnings: string[]
}

/**
 * Nothing is durable yet: the caller commits state and entries. `VARIABLE_REFUSED` for a bad input,
 * `PLATFORM_NOT_SUPPORTED` for a sequence with anything in force that cannot be run here.
 */
export function startRun(start: RunStart): Result<StartedRun> {
  const refused = refusal(start.sequence, start.facts.platform, true)
  if (refused !== undefined) return failed(refused)
  const outside = fromOutside(start.sequence, start.settings.inputs, start.variables ?? [])
  const inputs = checkInputs(start.sequence, outside.inputs, start.undeclaredInputs)
  if (!inputs.ok) return inputs
  const environment = new Environment({}, () => start.at)
  const { facts, settings } = start
  const upgrades = start.table.instructions.some(
    (instruction) => instruction.kind === 'step' && instruction.step.type === 'upgradeOperatingSystem',
  )
  const own: Record<string, string> = {
    _SMSTSPackageID: start.sequenceId,
    _SMSTSPackageName: start.sequence.name,
    _SMSTSAdvertID: start.deploymentId,
    _SMSTSType: upgrades ? '2' : '1',
    _SMSTSLaunchMode: 'SMS',
    _SMSTSUserStarted: String(start.startedBy === 'user'),
    _SMSTSInWinPE: 'false',
    _SMSTSMachineName: facts.hostname,
    _SMSTSMake: facts.manufacturer,
    _SMSTSModel: facts.model,
    _SMSTSSerialNumber: facts.serialNumber,
    _SMSTSLogPath: start.logPath,
    _SMSTSDownloadOnDemand: String(settings.contentOption === 'whenNeeded'),
    _SMSTSRunFromDP: 'false',
    _SMSTSInstructionTableSize: String(start.table.instructions.length),
    SMSTSDownloadRetryCount: String(settings.downloadRetryCount),
    SMSTSDownloadRetryDelay: String(settings.downloadRetryDelayMs / 1000),
  }
  for (const [name, value] of Object.entries({ ...own, ...ownOf(start) })) environment.setOwn(name, value)
  const given = new Map([
    ...(start.sequence.variables ?? []).map(({ variable, value }) => [variable, value] as const),
    ...(start.undeclaredInputs === 'allow' ? outside.others : []),
    ...inputs.value.values,
  ])
  for (const [name, value] of given) {
    const refused = environment.set(name, value)
    if (refused !== undefined) return failed(refused)
  }
  return ok({
    state: {
      v: 1,
      flags: currentFlags(),
      pointer: 0,
      openGroups: [],
      variables: environment.variables,
      phase: { kind: 'ready' },
      attempts: 0,
      transitions: 0,
      restarts: 0,
      activeMs: 0,
      limitMs: start.sequence.maximumRunTimeMinutes * 60_000,
    },
    entries: [{ kind: 'runStarted', at: start.at }, ...environment.changes],
    warnings: inputs.value.warnings,
  })
}

/** Read-only variables that say where the run is and on what (configmgr-behaviour §3.12 A, B, D). Empty ones are not set. */
function ownOf({ machine, device }: RunStart): Record<string, string> {
  const list = (values: readonly string[] | undefined): string => (values ?? []).join(',')
  const secureBoot = machine?.secureBoot === undefined ? 'NA' : machine.secureBoot ? 'Enabled' : 'Disabled'
  return {
    _SMSTSAssetTag: machine?.assetTag ?? '',
    _SMSTSUUID: machine?.uuid ?? '',
    _SMSTSMacAddresses: list(machine?.macAddresses),
    _SMSTSIPAddresses: list(machine?.ipAddresses),
    _SMSTSDefaultGateways: list(machine?.defaultGateways),
    _SMSTSBootUEFI: machine?.uefi === undefined ? '' : String(machine.uefi),
    _TSSecureBoot: machine === undefined ? '' : secureBoot,
    _SMSTSClientGUID: device?.id ?? '',
    _SMSTSSiteCode: device?.site ?? '',
    _SMSTSOrgName: device?.organization ?? '',
    _SMSTSMDataPath: device?.dataPath ?? '',
    _SMSTSClientCache: device?.cachePath ?? '',
    _SMSTSTimezone: machine?.timeZone ?? '',
    _SMSTSUseSSL: 'true',
    _SMSTSUseCRL: 'true',
    _SMSTSWTG: 'false',
    _SMSTSLastActionRetryCount: '0',
  }
}

/**
 * Checks values from outside against what the sequence declares, and fills in the defaults.
 * @returns values by name as declared, or `VARIABLE_REFUSED`
 */
export function checkInputs(
  sequence: Sequence,
  given: Record<string, string>,
  undeclared: UndeclaredInputs,
): Result<{ values: Map<string, string>; warnings: string[] }> {
  const refuse = (detail: string): Result<never> => failed(problem('VARIABLE_REFUSED', detail))
  const values = new Map<string, string>()
  const warnings: string[] = []
  const left = new Map(Object.entries(given).map(([name, value]) => [name.toLowerCase(), { name, value }]))
  if (left.size < Object.keys(given).length)
    return refuse('Two inputs have the same name but for upper and lower case.')
  for (const input of sequence.inputs) {
    const value = left.get(input.variable.toLowerCase())?.value
    left.delete(input.variable.toLowerCase())
    if (value === undefined) {
      if (input.default !== undefined) values.set(input.variable, input.default)
      continue
    }
    if (value.length > input.maxLength)
      return refuse(`Input ${input.variable}: ${value.length} characters, at most ${input.maxLength}.`)
    if (input.pattern !== undefined) {
      const pattern = compilePattern(input.pattern)
      if (!pattern.ok) return pattern
      if (!pattern.value.matches(value)) return refuse(`Input ${input.variable} does not match ${input.pattern}.`)
    }
    values.set(input.variable, value)
  }
  for (const { name, value } of left.values()) {
    if (undeclared === 'refuse') return refuse(`The sequence does not declare an input ${name.slice(0, 256)}.`)
    warnings.push(`The sequence does not declare the input ${name}.`)
    values.set(name, value)
  }
  return ok({ values, warnings })
}
