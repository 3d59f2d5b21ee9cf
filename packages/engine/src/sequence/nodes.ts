import type { PackageChoice, PackageId, Sequence, SequenceId, SequenceNode } from '@sluice/protocol'
import type { Path } from './path.ts'

export interface PlacedNode {
  node: SequenceNode
  path: Path
}

/** Every group and step in the order they stand in, a group before what is in it. */
export function* nodesOf(sequence: Sequence): Generator<PlacedNode> {
  yield* inside(sequence.steps, ['steps'])
  yield* inside(sequence.finally ?? [], ['finally'])
}

function* inside(nodes: readonly SequenceNode[], path: Path): Generator<PlacedNode> {
  for (const [index, node] of nodes.entries()) {
    const here: Path = [...path, index]
    yield { node, path: here }
    if (node.type === 'group') yield* inside(node.steps, [...here, 'steps'])
  }
}

/** Whether a sequence that is run has an id of this site, and not only the one that it has in Configuration Manager. */
export const isHere = (id: SequenceId | PackageId): id is SequenceId => id.startsWith('seq_')

export interface Reference {
  packageId: PackageId
  path: Path
}

/** Every package that the sequence names, once for each place; candidates that are named by id included. */
export function references(sequence: Sequence): Reference[] {
  const found: Reference[] = []
  const add = (choice: PackageChoice | undefined, path: Path): void => {
    if (choice === undefined) return
    if (typeof choice === 'string') found.push({ packageId: choice, path })
    else if (Array.isArray(choice.candidates))
      choice.candidates.forEach((id, index) => {
        found.push({ packageId: id, path: [...path, 'candidates', index] })
      })
  }
  for (const { node, path } of nodesOf(sequence)) {
    if (node.type === 'downloadPackageContent')
      node.packages.forEach((choice, index) => {
        add(choice, [...path, 'packages', index])
      })
    if (node.type === 'runCommandLine' || node.type === 'runScript' || node.type === 'upgradeOperatingSystem')
      add(node.package, [...path, 'package'])
    if (node.type === 'installPackage')
      node.programs.forEach((program, index) => {
        add(program.package, [...path, 'programs', index, 'package'])
      })
    if (node.type === 'installApplication')
      node.applications.forEach((application, index) => {
        add(application.package, [...path, 'applications', index, 'package'])
      })
  }
  return found
}

/** The packages that a sequence references, each once, in order of appearance. */
export const referencedPackages = (sequence: Sequence): PackageId[] => [
  ...new Set(references(sequence).map(({ packageId }) => packageId)),
]
