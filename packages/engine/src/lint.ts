/**
 * What is allowed in a sequence and is probably not meant. Beside the warnings of `rules.ts`, which
 * everybody gets who reads a file; nothing here hinders anything.
 */
import type { ProblemDetail, Sequence, SequenceNode } from '@sluice/protocol'
import { neverHolds, type OfVariable, oppose, surelyAsked } from './lint-conditions.ts'
import { secretTexts } from './lint-secrets.ts'
import { nodesOf } from './nodes.ts'
import type { ParsedSequence } from './parse.ts'
import { formatPath, type Path } from './path.ts'

export interface LintFinding extends ProblemDetail {
  /** `note`: for whoever deploys the sequence; nothing in the file is to be changed. */
  level: 'warning' | 'note'
}

/** In the order of the file. */
export function lintSequence(parsed: ParsedSequence): LintFinding[] {
  const { sequence, warnings, placeOf } = parsed
  const findings: LintFinding[] = warnings.map((warning) => ({ ...warning, level: 'warning' }))
  const tell: Tell = (level, path, message) => {
    findings.push({ level, place: placeOf(path), path: formatPath(path), message })
  }
  for (const { path, message } of secretTexts(sequence)) tell('warning', path, message)
  lintConditions(sequence, tell)
  for (const { node, path } of nodesOf(sequence))
    if (node.type === 'downloadPackageContent' && node.disabled !== true)
      tell('note', path, 'a deployment that downloads all content before the start has it all there already')
  const ending = lastStep(sequence.finally ?? [], ['finally'])
  const last = ending ?? lastStep(sequence.steps, ['steps'])
  if (last?.node.type === 'restartComputer')
    tell('warning', last.path, 'nothing runs behind this restart, so nobody sees whether the device came back well')
  return findings.sort(byPlace)
}

type Tell = (level: LintFinding['level'], path: Path, message: string) => void

/**
 * A condition that never holds, by itself or with those of the groups around it. There only variables count
 * that nothing can have changed since the group was entered.
 */
function lintConditions(sequence: Sequence, tell: Tell): void {
  const visit = (nodes: readonly SequenceNode[], around: Path, asked: readonly OfVariable[]): void => {
    for (const [index, node] of nodes.entries()) {
      if (node.disabled === true) continue
      const path: Path = [...around, index]
      const own = node.condition === undefined ? [] : surelyAsked(node.condition)
      const opposed = own.find((one) => asked.some((outer) => sameVariable(one, outer) && oppose(one, outer)))
      if (node.condition !== undefined && neverHolds(node.condition))
        tell('warning', [...path, 'condition'], `never holds: ${unreachable(node)}`)
      else if (opposed !== undefined)
        tell(
          'warning',
          [...path, 'condition'],
          `never holds, since a group around it asks for another ${opposed.variable}: ${unreachable(node)}`,
        )
      for (const [place, what] of insideOf(node)) tell('warning', [...path, ...place], `never holds: ${what}`)
      if (node.type === 'group')
        visit(node.steps, [...path, 'steps'], [...asked, ...own.filter(({ variable }) => fixed.test(variable))])
    }
  }
  visit(sequence.steps, ['steps'], [])
  visit(sequence.finally ?? [], ['finally'], [])
}

const sameVariable = (a: OfVariable, b: OfVariable): boolean => a.variable.toLowerCase() === b.variable.toLowerCase()

/** Read-only, and the same from the first step to the last: what the device is and what the run is. */
const fixed = /^_smsts(make|model|serialnumber|machinename|type|userstarted|advertid|packageid|packagename)$/i

/** Conditions of parts of a step. */
function* insideOf(node: SequenceNode): Generator<[Path, string]> {
  if (node.type === 'setDynamicVariables')
    for (const [index, { when }] of node.rules.entries())
      if (when !== undefined && neverHolds(when)) yield [['rules', index, 'when'], 'this rule never sets anything']
  if (node.type === 'installApplication')
    for (const [index, { detect, requires }] of node.applications.entries()) {
      const application: Path = ['applications', index]
      if (neverHolds(detect)) yield [[...application, 'detect'], 'the application is never found, so this step fails']
      if (requires !== undefined && neverHolds(requires))
        yield [[...application, 'requires'], 'the application is never installed']
    }
}

const unreachable = (node: SequenceNode): string =>
  node.type === 'group' ? 'nothing in this group is ever run' : 'this step is never run'

/** The last step that is not disabled, wherever it stands. */
function lastStep(nodes: Sequence['steps'], around: Path): { node: SequenceNode; path: Path } | undefined {
  for (let index = nodes.length - 1; index >= 0; index--) {
    const node = nodes[index]
    if (node === undefined || node.disabled === true) continue
    const path: Path = [...around, index]
    const found = node.type === 'group' ? lastStep(node.steps, [...path, 'steps']) : { node, path }
    if (found !== undefined) return found
  }
  return undefined
}

function byPlace(a: LintFinding, b: LintFinding): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
}
