/**
 * What a sequence would do on a device of which the facts are known: the real engine, on a host where
 * every command succeeds and prints nothing, and all content can be had. So conditions, variables and
 * groups are decided as on the device; what only happening could tell is listed as an assumption.
 *
 * V1. A package that is chosen by a variable which nothing in the file sets is not guessed: the run is made
 *     again with one of its candidates in its place, and all of them are told.
 * V2. An application that was installed is found afterwards; whether it was there before, its `detect` says.
 */
import {
  DeploymentId,
  DeploymentSettings,
  ok,
  type PackageChoice,
  type PackageId,
  type PolicyVariable,
  type Result,
  type Sequence,
  SequenceId,
  type Step,
  type StepType,
} from '@sluice/protocol'
import { flatten, type InstructionTable } from '../run/flatten.ts'
import { MAX_TRANSITIONS } from '../run/live-run.ts'
import { candidatesOf } from '../run/package-choice.ts'
import { advance } from '../run/run.ts'
import type { JournalEntry, RunResult } from '../run/run-state.ts'
import { startRun } from '../run/start.ts'
import { choicesOf, isOpen, type PreviewedContent, packagesOfList } from './preview-content.ts'
import type { PreviewFacts } from './preview-facts.ts'
import { PreviewHost } from './preview-host.ts'

export interface PreviewedStep {
  name: string
  type: StepType
  runs: boolean
  /** Why it does not run: its own condition or that of a group around it, as the trace says it. */
  why?: string
  /** Of `finally`. */
  atTheEnd?: true
}

export interface Preview {
  result: RunResult
  /** In the order of the sequence. */
  steps: PreviewedStep[]
  /** What would be fetched, in this order, candidates included. */
  packages: PackageId[]
  content: PreviewedContent[]
  restarts: number
  /** Sentences without their full stops. */
  assumptions: string[]
}

/** Runs that a preview is made of, at most; each settles every open choice that it meets up to its first failure. */
const MAX_RUNS = 100

/** @param variables of the device and its collections; @returns what `startRun` refuses, else the preview */
export async function previewSequence(
  sequence: Sequence,
  facts: PreviewFacts,
  inputs: Record<string, string>,
  variables: readonly PolicyVariable[] = [],
): Promise<Result<Preview>> {
  const written = flatten(sequence)
  const open = new Set<number>()
  for (let runs = 1; ; runs++) {
    const table = settled(written, open)
    const ran = await run(sequence, table, facts, inputs, variables)
    if (!ran.ok) return ran
    const { host } = ran.value
    const before = open.size
    for (const [index, variables] of host.atFailure) {
      const instruction = written.instructions[index]
      if (instruction?.kind === 'step' && choicesOf(instruction.step).some((choice) => isOpen(choice, variables)))
        open.add(index)
    }
    if (open.size === before || runs === MAX_RUNS) return ok(told(written, open, ran.value))
  }
}

interface Run {
  host: PreviewHost
  result: RunResult
  restarts: number
}

async function run(
  sequence: Sequence,
  table: InstructionTable,
  facts: PreviewFacts,
  inputs: Record<string, string>,
  variables: readonly PolicyVariable[],
): Promise<Result<Run>> {
  const started = startRun({
    ...{ sequence, table, variables, startedBy: 'user', facts, logPath: '/var/log', at: 0, undeclaredInputs: 'allow' },
    sequenceId: SequenceId.parse('seq_0000000000'),
    deploymentId: DeploymentId.parse('dep_0000000000'),
    settings: DeploymentSettings.parse({ inputs }),
  })
  if (!started.ok) return started
  const host = new PreviewHost(facts, started.value.warnings)
  let { state } = started.value
  let restarts = 0
  // Every call of `advance` ends, and between two of them is a restart that a step asked for.
  for (let calls = 0; calls <= table.instructions.length * MAX_TRANSITIONS; calls++) {
    const end = await advance({ table, state, host, stop: new AbortController().signal })
    if (end.kind === 'finished') return ok({ host, result: end.result, restarts })
    state = end.state
    restarts++
    host.boots++
  }
  throw new Error('the preview does not end')
}

/** The same table, with a candidate for each open choice (V1), and applications that find themselves (V2). */
function settled(table: InstructionTable, open: ReadonlySet<number>): InstructionTable {
  const instructions = table.instructions.map((instruction, index) => {
    if (instruction.kind !== 'step') return instruction
    const step = found(instruction.step)
    return { ...instruction, step: open.has(index) ? chosen(step) : step }
  })
  return { ...table, instructions }
}

function found(step: Step): Step {
  if (step.type !== 'installApplication') return step
  const applications = step.applications.map((one) => {
    const installed = { variable: '_SMSTSCurrentApplication', operator: 'equals', value: one.name } as const
    return { ...one, detect: { any: one.detect === undefined ? [installed] : [installed, one.detect] } }
  })
  return { ...step, applications }
}

function chosen(step: Step): Step {
  const first = (choice: PackageChoice): PackageChoice =>
    typeof choice === 'string' ? choice : (candidatesOf(choice)[0] ?? choice)
  if (step.type === 'downloadPackageContent') return { ...step, packages: step.packages.map(first) }
  if (step.type === 'runCommandLine' || step.type === 'runScript' || step.type === 'upgradeOperatingSystem')
    return step.package === undefined ? step : { ...step, package: first(step.package) }
  return step
}

function told(table: InstructionTable, open: ReadonlySet<number>, { host, result, restarts }: Run): Preview {
  const whys = reasons(host.journal)
  const steps: PreviewedStep[] = []
  const content: PreviewedContent[] = []
  for (const [index, instruction] of table.instructions.entries()) {
    if (instruction.kind !== 'step') continue
    const { name, type } = instruction.step
    const why = whys.get(index)
    if (why === undefined) content.push(...contentOf(index, steps.length, instruction.step, open.has(index), host))
    steps.push({
      ...{ name, type, runs: why === undefined },
      ...(why === undefined ? {} : { why }),
      ...(table.cleanup !== undefined && index >= table.cleanup ? { atTheEnd: true } : {}),
    })
  }
  const packages = [...new Set(content.flatMap((one) => one.packages))]
  return { result, steps, packages, content, restarts, assumptions: [...host.assumptions] }
}

function contentOf(
  index: number,
  place: number,
  step: Step,
  isOpenChoice: boolean,
  host: PreviewHost,
): PreviewedContent[] {
  const choices = isOpenChoice ? choicesOf(step) : []
  const stands = new Map(choices.map((choice) => [candidatesOf(choice)[0], candidatesOf(choice)]))
  const seen = new Set<PackageId>()
  const content = host.acquired.flatMap(({ instruction, packageId, files }): PreviewedContent[] => {
    if (instruction !== index || seen.has(packageId)) return []
    seen.add(packageId)
    const candidates = stands.get(packageId)
    const some = files === undefined ? {} : { files }
    if (candidates !== undefined && candidates.length > 1)
      return [{ step: place, kind: files === undefined ? 'oneOf' : 'someOf', packages: candidates, ...some }]
    return [{ step: place, kind: files === undefined ? 'whole' : 'files', packages: [packageId], ...some }]
  })
  const listed = packagesOfList(step)
  if (content.length === 0 && listed !== undefined && listed.length > 0)
    return [{ step: place, kind: 'someOf', packages: listed }]
  return content
}

/** Why steps do not run, by instruction. What decided stands in the journal right before what it skipped. */
function reasons(journal: readonly JournalEntry[]): Map<number, string> {
  const whys = new Map<number, string>()
  let decision: Extract<JournalEntry, { kind: 'decision' }> | undefined
  for (const entry of journal) {
    if (entry.kind === 'decision') decision = entry
    if (entry.kind !== 'skipped') continue
    const { instruction, why } = entry
    const of = decision === undefined || decision.instruction === instruction ? '' : `group ${decision.name}: `
    if (why === 'condition') whys.set(instruction, `${of}${decision?.trace ?? ''}`)
    else whys.set(instruction, why === 'disabled' ? 'disabled' : 'a step before it failed')
  }
  return whys
}
