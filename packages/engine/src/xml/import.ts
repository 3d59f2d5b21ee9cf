/**
 * Sequences of Configuration Manager and of the Microsoft Deployment Toolkit, read from their files
 * without a server: what they are natively, what of them would run, and what a person should know.
 */
import type { PackageChoice, PackageId, Sequence, SequenceId, SequenceNode } from '@sluice/protocol'
import { flatten } from '../run/flatten.ts'
import { obstacles } from '../sequence/obstacles.ts'
import { formatPath } from '../sequence/path.ts'
import { circles } from './circles.ts'
import { findSequences } from './containers.ts'
import { countElements, type SequenceCounts } from './counts.ts'
import { type Coverage, coverageOf } from './coverage.ts'
import { type ExportedProgram, withPrograms } from './exported-objects.ts'
import type { Finding } from './findings.ts'
import { type FoundSecret, SecretNames } from './found-secret.ts'
import { readSequenceElement } from './import-sequence.ts'

export interface ImportedSequence extends SequenceCounts {
  name: string
  /** Names of the instruction table: a group at its start and at its end (task-sequence-xml §8.1). */
  instructions: string[]
  /** Whether a device would start it as it is: nothing stands in the way. */
  runnable: boolean
  /** What stands in the way, at most `MAX_OBSTACLES`, each with its place in the native form. */
  obstacles: { path: string; name: string; why: string }[]
  sequence: Sequence
}

/** A sequence of which more is in the way is not mended one by one. */
const MAX_OBSTACLES = 200

export interface SequenceImport {
  sequences: ImportedSequence[]
  coverage: Coverage
  /** Errors first. With one, nothing is to be stored. */
  problems: Finding[]
  /** Secrets that stood in clear text, and are nowhere else in the result. */
  secrets: FoundSecret[]
}

export interface ImportSource {
  /** One text a file; `name` is for sequences that have none of their own. */
  documents: readonly { file: string; text: string; name: string }[]
  /** Ids of packages in the files, and those that stand for them here. */
  packages?: ReadonlyMap<string, PackageId>
  /** The same for sequences that they run. */
  calledSequences?: ReadonlyMap<string, SequenceId>
  /** What packages are called, where an export says it. */
  packageNames?: ReadonlyMap<string, string>
  /** Programs of packages, where an export has them. */
  programs?: readonly ExportedProgram[]
}

export function importSequences(source: ImportSource): SequenceImport {
  const problems: Finding[] = []
  const sequences: Sequence[] = []
  const secrets: FoundSecret[] = []
  const secretNames = new SecretNames()
  const used = new Map<string, PackageId | SequenceId>()
  for (const { file, text, name } of source.documents) {
    const found = findSequences(text, file)
    if (!found.ok) {
      problems.push({ kind: 'unusable', severity: 'error', ...found.fault })
      continue
    }
    if (found.found.length === 0) {
      const place = { file, line: 1, column: 1 }
      problems.push({ kind: 'unusable', severity: 'error', place, message: 'there is no <sequence> in this file' })
    }
    for (const element of found.found) {
      const read = readSequenceElement(element, name, secretNames)
      problems.push(...read.findings)
      secrets.push(...read.secrets)
      if (read.sequence === undefined) continue
      const filled = withPrograms(read.sequence, source.programs ?? [])
      problems.push(...filled.findings)
      sequences.push(withMapped(filled.sequence, source, used))
    }
  }
  problems.push(...circles(sequences))
  const coverage = coverageOf(sequences, source.packageNames ?? new Map(), used)
  for (const { id, name, kind, state } of coverage.content)
    if (state === 'missing')
      problems.push({
        kind: 'missingContent',
        severity: 'warning',
        message: /^0+$/.test(id)
          ? 'a package was left out of the file (id 00000000): put an id in its place'
          : `${kind} ${id}${name === undefined ? '' : ` (${name})`} is needed: ${remedies[kind]}`,
      })
  return {
    sequences: sequences.map((sequence) => {
      const found = obstacles(sequence)
      return {
        name: sequence.name,
        ...countElements(sequence),
        instructions: instructionNames(sequence),
        runnable: found.length === 0,
        obstacles: found.slice(0, MAX_OBSTACLES).map(({ path, name, why }) => ({ path: formatPath(path), name, why })),
        sequence,
      }
    }),
    coverage,
    problems: problems.sort((a, b) => Number(b.severity === 'error') - Number(a.severity === 'error')),
    secrets,
  }
}

function instructionNames(sequence: Sequence): string[] {
  const { instructions } = flatten(sequence)
  const nameAt = (index: number): string => {
    const instruction = instructions[index]
    if (instruction === undefined) return ''
    if (instruction.kind === 'groupEnd') return nameAt(instruction.start)
    return instruction.kind === 'step' ? instruction.step.name : instruction.group.name
  }
  return instructions.map((_, index) => nameAt(index))
}

const remedies = {
  package: 'import it, or map it to one that is there',
  application: 'write in the step how it is installed and found',
  sequence: 'import it, too, and put its id here in the step',
}

/** Puts other packages and sequences in the place of those of the file, in every step that runs. */
function withMapped(
  sequence: Sequence,
  { packages = new Map(), calledSequences = new Map() }: Pick<ImportSource, 'packages' | 'calledSequences'>,
  used: Map<string, PackageId | SequenceId>,
): Sequence {
  if (packages.size + calledSequences.size === 0) return sequence
  const choose = (choice: PackageChoice): PackageChoice => {
    const other = typeof choice === 'string' ? packages.get(choice) : undefined
    if (typeof choice !== 'string' || other === undefined) return choice
    used.set(choice, other)
    return other
  }
  const replace = (node: SequenceNode): SequenceNode => {
    if (node.type === 'group') return { ...node, steps: node.steps.map(replace) }
    if (node.type === 'downloadPackageContent') return { ...node, packages: node.packages.map(choose) }
    if (
      (node.type === 'runCommandLine' || node.type === 'runScript' || node.type === 'upgradeOperatingSystem') &&
      node.package !== undefined
    )
      return { ...node, package: choose(node.package) }
    if (node.type === 'installPackage')
      return {
        ...node,
        programs: node.programs.map((program) => {
          const other = packages.get(program.package)
          if (other === undefined) return program
          used.set(program.package, other)
          return { ...program, package: other }
        }),
      }
    const called = node.type === 'runTaskSequence' ? calledSequences.get(node.sequence) : undefined
    if (node.type !== 'runTaskSequence' || called === undefined) return node
    used.set(node.sequence, called)
    return { ...node, sequence: called }
  }
  return { ...sequence, steps: sequence.steps.map(replace) }
}
