/**
 * What keeps a sequence from being run: enabled steps that are only kept, and conditions that cannot
 * be decided here. It is told before a run starts; nothing of it is skipped or guessed. What is
 * disabled, or inside a disabled group, hinders nothing.
 */
import {
  type Condition,
  type Platform,
  type Problem,
  problem,
  type Sequence,
  type SequenceNode,
  type StepType,
} from '@sluice/protocol'
import { parseWql, unknownIn } from '../wql/index.ts'
import { readStep } from '../xml/steps/index.ts'
import { isHere } from './nodes.ts'
import { formatPath, type Path } from './path.ts'

export interface Obstacle {
  path: Path
  /** Name of the step or group. */
  name: string
  /** A sentence without its full stop. */
  why: string
}

/**
 * @param platform of the device that shall run it; without it, only what hinders everywhere
 * @param childrenAreHere the steps of other sequences stand in their place; a step that still runs another has lost it
 */
export function obstacles(sequence: Sequence, platform?: Platform, childrenAreHere = false): Obstacle[] {
  const found: Obstacle[] = []
  const visit = (nodes: readonly SequenceNode[], around: Path): void => {
    for (const [index, node] of nodes.entries()) {
      if (node.disabled === true) continue
      const path: Path = [...around, index]
      const hinder = (why: string): void => {
        found.push({ path, name: node.name, why })
      }
      for (const condition of conditionsOf(node))
        for (const kind of undecidable(condition)) hinder(`its condition ${kind}, which cannot be decided here yet`)
      if (node.type === 'kept') hinder(whyKept(node))
      for (const why of unsupported(node, platform)) hinder(why)
      for (const why of leftOut(node)) hinder(why)
      if (node.type === 'runTaskSequence' && isHere(node.sequence) && childrenAreHere)
        hinder(`the sequence ${node.sequence} is not here`)
      if (node.type === 'group') visit(node.steps, [...path, 'steps'])
    }
  }
  visit(sequence.steps, ['steps'])
  visit(sequence.finally ?? [], ['finally'])
  return found
}

/**
 * Why a step cannot run although its type can; its condition aside.
 * @param platform of the device; without it, only what hinders everywhere
 */
export function unsupported(node: SequenceNode, platform?: Platform): string[] {
  const found: string[] = []
  if (platform !== undefined && platform !== 'windows' && windowsSteps.has(node.type))
    found.push('it is not supported here: it exists on Windows only')
  // Elsewhere the agent may start programs as anybody.
  if (platform === 'windows' && 'runAs' in node && node.runAs !== undefined && node.runAs.secret === undefined)
    found.push('it runs as another account and names no secret with its password, which Windows needs')
  if ('account' in node && node.account !== undefined && node.account.secret === undefined)
    found.push('its account names no secret with the password')
  if (node.type === 'enableBitLocker' && node.mode === 'tpmAndPin' && node.pin === undefined)
    found.push('it names no secret with the PIN')
  return found
}

/** What an import could not know: the file does not say it, and a person has to. */
function leftOut(node: SequenceNode): string[] {
  if (node.type === 'runTaskSequence')
    return isHere(node.sequence) ? [] : [`the sequence ${node.sequence} has another id here: put that in`]
  if (node.type === 'installPackage') {
    if (node.programs.length === 0) return [`what ${node.listVariable} may name is not declared: list the programs`]
    return node.programs.flatMap(({ package: of, program, commandLine }) =>
      commandLine === undefined ? [`the command of ${of}:${program} is not known: write it`] : [],
    )
  }
  if (node.type !== 'installApplication') return []
  if (node.applications.length === 0)
    return [`what ${node.listVariable} may name is not declared: list the applications`]
  return node.applications.flatMap(({ name, install, detect }) =>
    install === undefined || detect === undefined
      ? [`how ${name} is installed and found is not known: write install and detect`]
      : [],
  )
}

/** Its own, and those of its rules and applications. */
function conditionsOf(node: SequenceNode): Condition[] {
  const inside =
    node.type === 'setDynamicVariables'
      ? node.rules.map(({ when }) => when)
      : node.type === 'installApplication'
        ? node.applications.flatMap(({ detect, requires }) => [detect, requires])
        : []
  return [node.condition, ...inside].filter((condition) => condition !== undefined)
}

/** Steps that run a tool of Windows. */
const windowsSteps: ReadonlySet<StepType | 'group'> = new Set([
  ...(['connectNetworkFolder', 'disableBitLocker', 'enableBitLocker', 'joinDomainOrWorkgroup'] as const),
])

/** The secrets that a step names, each once: those that it asks for itself, and those of its tools. */
export function secretsOf(node: SequenceNode): string[] {
  const own = 'secrets' in node ? (node.secrets ?? []) : []
  const runAs = 'runAs' in node && node.runAs?.secret !== undefined ? [node.runAs.secret] : []
  return [...new Set([...own, ...runAs, ...windowsSecretsOf(node)])]
}

function windowsSecretsOf(node: SequenceNode): string[] {
  const named = ['account' in node ? node.account?.secret : undefined, 'pin' in node ? node.pin : undefined]
  return named.filter((name) => name !== undefined)
}

/** `PLATFORM_NOT_SUPPORTED` with every obstacle (at most 100) in `errors`; undefined when the sequence can run. */
export function refusal(sequence: Sequence, platform?: Platform, childrenAreHere = false): Problem | undefined {
  const found = obstacles(sequence, platform, childrenAreHere)
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
  kept: 'is of a kind that nobody here knows',
}
