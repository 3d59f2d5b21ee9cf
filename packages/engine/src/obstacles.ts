/**
 * What keeps a sequence from being run: enabled steps that are only kept, and conditions that cannot
 * be decided here. It is told before a run starts; nothing of it is skipped or guessed. What is
 * disabled, or inside a disabled group, hinders nothing.
 */
import { type Condition, type Problem, problem, type Sequence, type SequenceNode } from '@sluice/protocol'
import { formatPath, type Path } from './path.ts'
import { parseWql, unknownIn } from './wql/index.ts'
import { readStep } from './xml/steps/index.ts'

export interface Obstacle {
  path: Path
  /** Name of the step or group. */
  name: string
  /** A sentence without its full stop. */
  why: string
}

export function obstacles(sequence: Sequence): Obstacle[] {
  const found: Obstacle[] = []
  const visit = (nodes: readonly SequenceNode[], around: Path): void => {
    for (const [index, node] of nodes.entries()) {
      if (node.disabled === true) continue
      const path: Path = [...around, index]
      const hinder = (why: string): void => {
        found.push({ path, name: node.name, why })
      }
      if (node.condition !== undefined)
        for (const kind of undecidable(node.condition))
          hinder(`its condition ${kind}, which cannot be decided here yet`)
      if (node.type === 'kept') hinder(whyKept(node))
      if (node.type === 'group') visit(node.steps, [...path, 'steps'])
    }
  }
  visit(sequence.steps, ['steps'])
  return found
}

/** `PLATFORM_NOT_SUPPORTED` with every obstacle (at most 100) in `errors`; undefined when the sequence can run. */
export function refusal(sequence: Sequence): Problem | undefined {
  const found = obstacles(sequence)
  const [first] = found
  if (first === undefined) return undefined
  const others = found.length === 1 ? '' : ` (and ${found.length - 1} more)`
  const errors = found
    .slice(0, 100)
    .map(({ path, name, why }) => ({ path: formatPath(path), message: `${name}: ${why}` }))
  return problem('PLATFORM_NOT_SUPPORTED', `${first.name}: ${first.why}${others}.`, { errors })
}

/** Why a kept step does not run. One that would run now was kept by an older version. */
export function whyKept(step: Extract<SequenceNode, { type: 'kept' }>): string {
  const read = readStep(step.original)
  return read.type === 'kept' ? read.reason.why : 'it is kept as it was imported; import it again to run it'
}

/** The kinds of a condition that are not decided here, each once. */
export function undecidable(condition: Condition): Set<string> {
  const kinds = new Set<string>()
  const addQuery = ({ wmi, namespace }: { wmi: string; namespace: string }): void => {
    const reading = parseWql(wmi)
    const unknown = reading.ok
      ? unknownIn(reading.query, namespace)
      : `queries WMI with a text that is not understood (character ${reading.at + 1}: ${reading.message})`
    if (unknown !== undefined) kinds.add(unknown)
  }
  const visit = (part: Condition): void => {
    for (const inner of [
      ...('all' in part ? part.all : []),
      ...('any' in part ? part.any : []),
      ...('none' in part ? part.none : []),
    ])
      visit(inner)
    if ('wmi' in part) addQuery(part)
    if ('osPlatforms' in part) for (const { queries } of part.osPlatforms) queries.forEach(addQuery)
    for (const [field, told] of Object.entries(undecided)) if (Object.hasOwn(part, field)) kinds.add(told)
  }
  visit(condition)
  return kinds
}

const undecided = {
  registry: 'reads the registry',
  osVersion: 'compares the operating system version',
  software: 'looks for installed software',
  kept: 'is of a kind that nobody here knows',
}
