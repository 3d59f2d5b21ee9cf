/**
 * *Run Task Sequence* (configmgr-behaviour §3.6): the steps of a child stand in a group in the place of the
 * step that runs it, and share everything with the sequence around them. It is done when a sequence is
 * released, so that what is signed is what runs.
 *
 * K1. A child keeps nothing of its own: its inputs become inputs of the whole, its start variables are set
 *     when its group is entered, its steps for the end are done at the end of the whole.
 * K2. A sequence that would run itself, by whatever way, is refused; so is nesting beyond `MAX_CHILDREN_DEEP`.
 */
import {
  failed,
  ok,
  type ProblemDetail,
  problem,
  type Result,
  type Sequence,
  type SequenceId,
  type SequenceNode,
} from '@sluice/protocol'
import { isHere, nodesOf } from './nodes.ts'
import { formatPath } from './path.ts'
import { applyRules, MAX_INSTRUCTIONS } from './rules.ts'

const MAX_CHILDREN_DEEP = 10

/** The sequences that a sequence runs, each once; those inside a child that stands in it already are named by their groups. */
export const childrenOf = (sequence: Sequence): SequenceId[] => [
  ...new Set(
    [...nodesOf(sequence)].flatMap(({ node }) =>
      node.type === 'runTaskSequence' && isHere(node.sequence) ? [node.sequence] : [],
    ),
  ),
]

/**
 * @param self id of the sequence, where it has one already
 * @param lookUp gives a sequence as it is now; undefined: there is none
 * @returns `SEQUENCE_REFERENCE_MISSING` or `SEQUENCE_INVALID` with the places, or the sequence without any such step
 */
export function withChildren(
  sequence: Sequence,
  self: SequenceId | undefined,
  lookUp: (id: SequenceId) => Sequence | undefined,
): Result<Sequence> {
  if (childrenOf(sequence).length === 0) return ok(sequence)
  const joining = new Joining(lookUp)
  const steps = joining.nodes(sequence.steps, ['steps'], self === undefined ? [] : [self])
  const ending = joining.nodes(sequence.finally ?? [], ['finally'], self === undefined ? [] : [self])
  const [fault] = joining.faults
  if (fault !== undefined) {
    const code = joining.isMissing ? 'SEQUENCE_REFERENCE_MISSING' : 'SEQUENCE_INVALID'
    return failed(problem(code, `${fault.path}: ${fault.message}.`, { errors: joining.faults.slice(0, 100) }))
  }
  const declared = new Set(sequence.inputs.map(({ variable }) => variable.toLowerCase()))
  const inputs = joining.inputs.filter(({ variable }) => !declared.has(variable.toLowerCase()))
  const all = [...ending, ...joining.ending]
  const whole: Sequence = {
    ...sequence,
    inputs: [...sequence.inputs, ...inputs],
    steps,
    ...(all.length === 0 ? {} : { finally: all }),
  }
  const [wrong] = applyRules(whole).faults
  if (wrong !== undefined)
    return failed(
      problem('SEQUENCE_INVALID', `With the sequences that it runs: ${formatPath(wrong.path)}: ${wrong.message}.`),
    )
  return ok(whole)
}

class Joining {
  readonly faults: ProblemDetail[] = []
  readonly inputs: Sequence['inputs'] = []
  readonly ending: SequenceNode[] = []
  isMissing = false
  #count = 0
  readonly #lookUp: (id: SequenceId) => Sequence | undefined

  constructor(lookUp: (id: SequenceId) => Sequence | undefined) {
    this.#lookUp = lookUp
  }

  nodes(nodes: readonly SequenceNode[], path: (string | number)[], around: readonly SequenceId[]): SequenceNode[] {
    return nodes.flatMap((node, index) => this.#node(node, [...path, index], around))
  }

  #node(node: SequenceNode, path: (string | number)[], around: readonly SequenceId[]): SequenceNode[] {
    // Sequences that run others ten times each would fill any memory: counted while they are put in.
    if (++this.#count > MAX_INSTRUCTIONS) return this.#count === MAX_INSTRUCTIONS + 1 ? this.#refuse(path, tooMany) : []
    if (node.type === 'group') {
      if (node.sequence !== undefined && around.includes(node.sequence)) return this.#refuse(path, runsItself)
      return [{ ...node, steps: this.nodes(node.steps, [...path, 'steps'], around) }]
    }
    if (node.type !== 'runTaskSequence' || !isHere(node.sequence)) return [node] // Told as an obstacle.
    const { sequence: id, original: _, type: __, ...shared } = node
    if (around.includes(id)) return this.#refuse(path, runsItself) // K2
    if (around.length >= MAX_CHILDREN_DEEP)
      return this.#refuse(path, `sequences run each other deeper than ${MAX_CHILDREN_DEEP} levels`)
    const child = this.#lookUp(id)
    if (this.#count > MAX_INSTRUCTIONS) return []
    if (child === undefined) {
      this.isMissing = true
      return this.#refuse(path, `there is no sequence ${id}`)
    }
    for (const input of child.inputs)
      if (!this.inputs.some(({ variable }) => variable.toLowerCase() === input.variable.toLowerCase()))
        this.inputs.push(input)
    const inside = [...around, id]
    this.ending.push(...this.nodes(child.finally ?? [], path, inside))
    const start = (child.variables ?? []).map(
      ({ variable, value }): SequenceNode => ({
        type: 'setVariable',
        name: `Set ${variable}`.slice(0, 100),
        variable,
        value,
      }),
    )
    return [{ type: 'group', ...shared, sequence: id, steps: [...start, ...this.nodes(child.steps, path, inside)] }]
  }

  #refuse(path: (string | number)[], message: string): [] {
    this.faults.push({ path: formatPath(path), message })
    return []
  }
}

const tooMany = `more than ${MAX_INSTRUCTIONS} instructions, with the sequences that it runs`
const runsItself = 'the sequence would run itself'
