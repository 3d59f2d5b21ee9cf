import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sequenceOf } from '../testing/index.ts'
import { flatten } from './flatten.ts'

test('a group takes an entry at its start and one at its end, a step takes one', () => {
  const table = flatten(
    sequenceOf([
      { type: 'restartComputer', name: 'a' },
      {
        type: 'group',
        name: 'G',
        steps: [
          { type: 'group', name: 'empty', steps: [] },
          { type: 'restartComputer', name: 'b' },
        ],
      },
    ]),
  )
  const shape = table.instructions.map((instruction) =>
    instruction.kind === 'step'
      ? instruction.step.name
      : instruction.kind === 'groupStart'
        ? `${instruction.group.name} to ${instruction.end}`
        : `from ${instruction.start}`,
  )
  assert.deepEqual(shape, ['a', 'G to 5', 'empty to 3', 'from 2', 'b', 'from 1'])
  assert.equal(table.stepCount, 2)
})

test('steps shown: not groups, not disabled steps, but enabled steps in a disabled group', () => {
  const table = flatten(
    sequenceOf([
      { type: 'restartComputer', name: 'off', disabled: true },
      { type: 'restartComputer', name: 'one' },
      { type: 'group', name: 'G', disabled: true, steps: [{ type: 'restartComputer', name: 'two' }] },
    ]),
  )
  const numbers = table.instructions.flatMap((instruction) => (instruction.kind === 'step' ? [instruction.number] : []))
  assert.deepEqual(numbers, [0, 1, 2])
  assert.equal(table.stepCount, 2)
})
