/**
 * What is allowed in a sequence and is probably not meant. Beside the warnings of `rules.ts`, which
 * everybody gets who reads a file; nothing here hinders anything.
 */
import type { Condition, ProblemDetail, Sequence, SequenceNode } from '@sluice/protocol'
import { compareValues } from './condition/compare.ts'
import { variablesIn } from './run/variables.ts'
import { nodesOf } from './sequence/nodes.ts'
import type { ParsedSequence } from './sequence/parse.ts'
import { formatPath, type Path } from './sequence/path.ts'
import { mayHoldSecret, namesSecret } from './xml/secrets.ts'

export interface LintFinding extends ProblemDetail {
  /** `note`: for whoever deploys the sequence; nothing in the file is to be changed. */
  level: 'warning' | 'note'
}

/** In the order of the file. */
export function lintSequence(parsed: ParsedSequence): LintFinding[] {
  const { sequence, warnings, placeOf } = parsed
  const findings: LintFinding[] = warnings.map((warning) => ({ ...warning, level: 'warning' }))
  const tell = (level: LintFinding['level'], path: Path, message: string): void => {
    findings.push({ level, place: placeOf(path), path: formatPath(path), message })
  }
  for (const [index, { variable, value }] of (sequence.variables ?? []).entries())
    if (namesSecret(variable) && isLiteral(value)) tell('warning', ['variables', index, 'value'], clearText(variable))
  for (const { node, path } of nodesOf(sequence)) {
    if (node.condition !== undefined && neverHolds(node.condition))
      tell('warning', [...path, 'condition'], `never holds: ${unreachable(node)}`)
    lintSecrets(node, path, tell)
    if (node.type === 'downloadPackageContent' && node.disabled !== true)
      tell('note', path, 'a deployment that downloads all content before the start has it all there already')
  }
  const last = lastStep(sequence.steps, ['steps'])
  if (last?.node.type === 'restartComputer')
    tell('warning', last.path, 'nothing runs behind this restart, so nobody sees whether the device came back well')
  return findings.sort(byPlace)
}

type Tell = (level: LintFinding['level'], path: Path, message: string) => void

const unreachable = (node: SequenceNode): string =>
  node.type === 'group' ? 'nothing in this group is ever run' : 'this step is never run'
const clearText = (variable: string): string =>
  `"${variable}" looks like a secret: its value is in clear text here and in the signed sequence`

function lintSecrets(node: SequenceNode, path: Path, tell: Tell): void {
  if (node.type === 'setVariable' && isLiteral(node.value) && (node.hidden === true || namesSecret(node.variable)))
    tell('warning', [...path, 'value'], clearText(node.variable))
  if (node.type === 'runCommandLine' && mayHoldSecret(node.commandLine))
    tell('warning', [...path, 'commandLine'], 'looks as if a password stood in it, in clear text')
}

/** Written out, and not taken from a variable. */
const isLiteral = (value: string): boolean => value !== '' && variablesIn(value).length === 0

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

/** Surely not, whatever the device is and whatever the variables are. Most that never hold are not found. */
export function neverHolds(condition: Condition): boolean {
  if ('all' in condition) return condition.all.some(neverHolds) || contradict(condition.all)
  if ('any' in condition) return condition.any.every(neverHolds)
  if ('none' in condition) return condition.none.some(alwaysHolds)
  return false
}

function alwaysHolds(condition: Condition): boolean {
  if ('always' in condition) return true
  if ('all' in condition) return condition.all.every(alwaysHolds)
  if ('any' in condition) return condition.any.some(alwaysHolds)
  return 'none' in condition && condition.none.every(neverHolds)
}

type OfVariable = Extract<Condition, { variable: string }>

/** Two that stand side by side and say the opposite of the same variable. */
function contradict(conditions: readonly Condition[]): boolean {
  const byVariable = new Map<string, OfVariable[]>()
  for (const one of conditions)
    if ('variable' in one) {
      const key = one.variable.toLowerCase()
      byVariable.set(key, [...(byVariable.get(key) ?? []), one])
    }
  return [...byVariable.values()].some((same) => {
    const values = same.flatMap((one) => (one.operator === 'equals' && !one.value.includes('%') ? [one.value] : []))
    const [first] = values
    const isMissing = same.some(({ operator }) => operator === 'notExists')
    if (isMissing) return same.some(({ operator }) => needsValue.has(operator))
    if (first === undefined) return false
    return (
      values.some((value) => compareValues(value, first) !== 0) ||
      same.some((one) => one.operator === 'notEquals' && compareValues(one.value, first) === 0)
    )
  })
}

/** Not met by a variable without a value. */
const needsValue: ReadonlySet<OfVariable['operator']> = new Set([
  ...(['exists', 'equals', 'like', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const),
])

function byPlace(a: LintFinding, b: LintFinding): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0)
}
