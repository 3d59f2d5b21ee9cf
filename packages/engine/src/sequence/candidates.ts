/**
 * Candidates by labels: which packages they are is known when policy is built, and stands there; the signed
 * sequence holds the query. The ids are put in once, before anything else reads the sequence.
 */
import {
  type LabelQuery,
  MAX_REFERENCED_PACKAGES,
  meetsLabels,
  type PackageChoice,
  type PackageId,
  type PackageLabels,
  type Sequence,
  type SequenceNode,
} from '@sluice/protocol'
import { nodesOf } from './nodes.ts'
import type { Path } from './path.ts'

/** A package as far as queries care. */
export interface LabelledPackage {
  id: PackageId
  labels?: PackageLabels | undefined
}

/** Every label query, once for each place. */
export function labelQueries(sequence: Sequence): { labels: LabelQuery; path: Path }[] {
  return [...nodesOf(sequence)].flatMap(({ node, path }) =>
    choicesIn(node).flatMap(({ choice, at }) =>
      typeof choice === 'string' || Array.isArray(choice.candidates)
        ? []
        : [{ labels: choice.candidates.labels, path: [...path, ...at, 'candidates', 'labels'] }],
    ),
  )
}

/**
 * The sequence with ids in the place of its label queries; one that no package meets stays as it is, and so
 * does a sequence without any.
 * @param packages that may be meant: of policy on a device, all that are released elsewhere
 */
export function withLabelled(sequence: Sequence, packages: readonly LabelledPackage[]): Sequence {
  if (labelQueries(sequence).length === 0) return sequence
  const expand = (choice: PackageChoice): PackageChoice => {
    if (typeof choice === 'string' || Array.isArray(choice.candidates)) return choice
    const { labels: query } = choice.candidates
    const met = packages.filter(({ labels }) => meetsLabels(labels, query)).map(({ id }) => id)
    return met.length === 0 ? choice : { ...choice, candidates: met.sort().slice(0, MAX_REFERENCED_PACKAGES) }
  }
  const replace = (node: SequenceNode): SequenceNode => {
    if (node.type === 'group') return { ...node, steps: node.steps.map(replace) }
    if (node.type === 'downloadPackageContent') return { ...node, packages: node.packages.map(expand) }
    return hasPackage(node) ? { ...node, package: expand(node.package) } : node
  }
  return {
    ...sequence,
    steps: sequence.steps.map(replace),
    ...(sequence.finally === undefined ? {} : { finally: sequence.finally.map(replace) }),
  }
}

type WithPackage = Extract<SequenceNode, { type: 'runCommandLine' | 'runScript' | 'upgradeOperatingSystem' }>

const hasPackage = (node: SequenceNode): node is WithPackage & { package: PackageChoice } =>
  (node.type === 'runCommandLine' || node.type === 'runScript' || node.type === 'upgradeOperatingSystem') &&
  node.package !== undefined

function choicesIn(node: SequenceNode): { choice: PackageChoice; at: Path }[] {
  if (node.type === 'downloadPackageContent')
    return node.packages.map((choice, index) => ({ choice, at: ['packages', index] }))
  return hasPackage(node) ? [{ choice: node.package, at: ['package'] }] : []
}
