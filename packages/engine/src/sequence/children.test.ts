import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Sequence, SequenceId, type SequenceNode } from '@sluice/protocol'
import { flatten } from '../run/flatten.ts'
import { begun, sequenceOf, variableOf, wholeRun } from '../testing/index.ts'
import { processorMs } from '../testing/processor-ms.ts'
import { withChildren } from './children.ts'

const id = (number: number): SequenceId => SequenceId.parse(`seq_000000000${number}`)
const command = (name: string, more: object = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const runs = (number: number, more: object = {}): SequenceNode =>
  ({ type: 'runTaskSequence', name: `Child ${number}`, sequence: id(number), ...more }) as SequenceNode
const joined = (sequence: Sequence, children: Record<number, Sequence>, self?: SequenceId) =>
  withChildren(sequence, self, (one) => children[Number(one.at(-1))])

test('the steps of children stand in the place of the step, and share variables and the end', async () => {
  const grandchild = sequenceOf([command('deep %Set%')])
  const child = sequenceOf(
    [command('first'), runs(2), { type: 'setVariable', name: 'V', variable: 'Out', value: '1' }],
    {
      variables: [{ variable: 'Set', value: 'x' }],
      inputs: [{ variable: 'Asked', maxLength: 10 }],
      finally: [command('clean child')],
    },
  )
  const parent = sequenceOf([runs(1, { continueOnError: true }), command('after %Out%')], {
    finally: [command('clean')],
  })
  const whole = joined(parent, { 1: child, 2: grandchild })
  assert.ok(whole.ok)
  assert.deepEqual(
    whole.value.inputs.map(({ variable }) => variable),
    ['Asked'],
  )
  assert.equal(flatten(whole.value).stepCount, 7, 'the steps that run others are not counted')
  const run = await wholeRun(whole.value)
  assert.deepEqual(begun(run.host.journal), [
    ...['Set Set', 'first', 'deep %Set%', 'V', 'after %Out%', 'clean', 'clean child'],
  ])
  assert.equal(variableOf(run.state, 'Out'), '1')
})

test('a child that is not there, runs itself, or has another one that does, is refused with its place', () => {
  const told = (sequence: Sequence, children: Record<number, Sequence>, self?: SequenceId): string => {
    const result = joined(sequence, children, self)
    assert.ok(!result.ok)
    return `${result.problem.code}: ${result.problem.detail}`
  }
  const parent = sequenceOf([{ type: 'group', name: 'G', steps: [runs(1)] }])
  assert.equal(told(parent, {}), 'SEQUENCE_REFERENCE_MISSING: steps[0].steps[0]: there is no sequence seq_0000000001.')
  assert.match(told(parent, { 1: sequenceOf([runs(1)]) }), /SEQUENCE_INVALID.*would run itself/)
  assert.match(told(parent, { 1: sequenceOf([runs(2)]), 2: sequenceOf([runs(1)]) }), /would run itself/)
  assert.match(told(parent, { 1: sequenceOf([runs(2)]) }, id(2)), /would run itself/)
  const stored = sequenceOf([{ type: 'group', name: 'Child 3', sequence: id(3), steps: [command('x')] }])
  assert.match(told(parent, { 1: stored }, id(3)), /would run itself/, 'a child that was put in before counts')
})

test('children that grow beyond what a run may have are refused, and quickly', () => {
  const wide = (number: number): SequenceNode[] => Array.from({ length: 10 }, () => runs(number))
  const children = Object.fromEntries(
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => [number, sequenceOf(number === 9 ? [command('x')] : wide(number + 1))]),
  )
  const ms = processorMs(() => {
    const result = joined(sequenceOf(wide(1)), children)
    assert.ok(!result.ok)
    assert.match(result.problem.detail, /more than 20000 instructions/)
  })
  assert.ok(ms < 10_000, `${ms} ms`)
})
