/**
 * The rules of groups, conditions and continue-on-error, read twice: once by the engine over its flat
 * table, once by a few recursive lines over the tree. Random sequences must come out the same.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Condition, SequenceNode } from '@sluice/protocol'
import fc from 'fast-check'
import { begun, sequenceOf, variableOf, wholeRun } from '../testing/index.ts'

/** A step's name says how it ends: `ok-…` or `bad-…`. */
const ends = (name: string): boolean => name.startsWith('ok')

interface Simple {
  ran: string[]
  variables: Map<string, string>
}

function holds(condition: Condition | undefined, { variables }: Simple): boolean {
  if (condition === undefined) return true
  const world = { ran: [], variables }
  if ('all' in condition) return condition.all.every((inner) => holds(inner, world))
  if ('any' in condition) return condition.any.some((inner) => holds(inner, world))
  if ('none' in condition) return !condition.none.some((inner) => holds(inner, world))
  if (!('variable' in condition)) throw new Error('not used here')
  const value = variables.get(condition.variable)
  switch (condition.operator) {
    case 'exists':
      return value !== undefined
    case 'notExists':
      return value === undefined
    case 'equals':
      return value === condition.value
    case 'notEquals':
      return value !== condition.value
    default:
      throw new Error('not used here')
  }
}

/** Whether the nodes completed; a group is the sum of what is in it. */
function complete(nodes: readonly SequenceNode[], world: Simple): boolean {
  for (const node of nodes) {
    if (node.disabled === true || !holds(node.condition, world)) continue
    let good: boolean
    if (node.type === 'group') good = complete(node.steps, world)
    else {
      world.ran.push(node.name)
      good = node.type === 'setVariable' || ends(node.name)
      if (node.type === 'setVariable') {
        if (node.value === '') world.variables.delete(node.variable)
        else world.variables.set(node.variable, node.value)
      }
      world.variables.set('_SMSTSLastActionSucceeded', String(good))
    }
    if (!good && node.continueOnError !== true) return false
  }
  return true
}

const variable = fc.constantFrom('A', 'B')
const { condition } = fc.letrec<{ condition: Condition }>((tie) => ({
  condition: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({ variable, operator: fc.constantFrom('exists' as const, 'notExists' as const) }),
    fc.record({
      variable: fc.oneof(variable, fc.constant('_SMSTSLastActionSucceeded')),
      operator: fc.constantFrom('equals' as const, 'notEquals' as const),
      value: fc.constantFrom('1', '2', 'true', 'false'),
    }),
    fc.record({ all: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ any: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ none: fc.array(tie('condition'), { minLength: 1, maxLength: 3 }) }),
  ),
}))

const options = {
  disabled: fc.option(fc.constantFrom(true, false, false), { nil: undefined }),
  continueOnError: fc.option(fc.boolean(), { nil: undefined }),
  condition: fc.option(condition, { nil: undefined, freq: 2 }),
}
const { node } = fc.letrec<{ node: SequenceNode }>((tie) => ({
  node: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.record({
      type: fc.constant('runCommandLine' as const),
      name: fc.constantFrom('ok-1', 'ok-2', 'ok-3', 'bad-1', 'bad-2'),
      commandLine: fc.constant('x'),
      ...options,
    }),
    fc.record({
      type: fc.constant('setVariable' as const),
      name: fc.constantFrom('set-1', 'set-2'),
      variable,
      value: fc.constantFrom('', '1', '2'),
      ...options,
    }),
    fc.record({
      type: fc.constant('group' as const),
      name: fc.constantFrom('G', 'H'),
      steps: fc.array(tie('node'), { maxLength: 5 }),
      ...options,
    }),
  ),
}))
const crashes = fc.array(
  fc.record({
    at: fc.integer({ min: 1, max: 40 }),
    when: fc.constantFrom('before' as const, 'after' as const),
    kind: fc.constant('agent' as const),
  }),
  { maxLength: 2 },
)

test('the engine and a recursive reading of the rules agree, with and without crashes', async () => {
  let failures = 0
  await fc.assert(
    fc.asyncProperty(fc.array(node, { minLength: 1, maxLength: 6 }), crashes, async (nodes, plans) => {
      // The command is the step's name, so that its outcome can be told from the action.
      const named = (one: SequenceNode): SequenceNode =>
        one.type === 'group'
          ? { ...one, steps: one.steps.map(named) }
          : one.type === 'runCommandLine'
            ? { ...one, commandLine: one.name }
            : one
      const steps = nodes.map(named)
      const world: Simple = { ran: [], variables: new Map() }
      const expected = complete(steps, world)
      const run = await wholeRun(sequenceOf(steps), {
        crashes: plans,
        outcome: (action) => ({
          kind: 'exited',
          exitCode: action.kind === 'command' && ends(action.argv[0] ?? '') ? 0 : 1,
          output: '',
        }),
      })
      if (!expected) failures++
      assert.equal(run.result.kind, expected ? 'success' : 'failure')
      assert.deepEqual(begun(run.host.journal), world.ran)
      for (const name of ['A', 'B', '_SMSTSLastActionSucceeded'])
        assert.equal(variableOf(run.state, name), world.variables.get(name), name)
      assert.deepEqual(run.state.openGroups, [])
    }),
    { seed: 5, numRuns: 1500 },
  )
  assert.ok(failures > 100, 'the random sequences fail often enough to mean something')
})
