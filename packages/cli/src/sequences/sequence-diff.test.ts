import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Sequence } from '@sluice/protocol'
import { diffLinesOf, diffSequences } from './sequence-diff.ts'

const step = (name: string, more: object = {}) => ({ type: 'runCommandLine', name, commandLine: name, ...more })
const group = (name: string, steps: unknown[], more: object = {}) => ({ type: 'group', name, steps, ...more })
const sequence = (steps: unknown[], more: object = {}): Sequence =>
  Sequence.parse({ format: 'sluice-sequence/1', name: 'X', steps, ...more })
const lines = (a: unknown[], b: unknown[], more: object = {}): string[] =>
  diffLinesOf(diffSequences(sequence(a), sequence(b, more)))

test('nothing changed, also where fields stand in another order', () => {
  assert.deepEqual(lines([step('A')], [{ commandLine: 'A', name: 'A', type: 'runCommandLine' }]), ['Nothing changed.'])
})

test('added, removed, changed, renamed', () => {
  assert.deepEqual(
    lines(
      [step('A'), step('B'), group('G', [step('C'), step('D')])],
      [step('A', { commandLine: 'other' }), group('G', [step('New name', { commandLine: 'C' }), step('D'), step('E')])],
      { description: 'Told' },
    ),
    [
      ...['description:', '+ Told'],
      'removed steps[1] B (runCommandLine)',
      'added steps[1].steps[2] E (runCommandLine)',
      ...['changed steps[0] A (runCommandLine)', '  commandLine:', '  - A', '  + other'],
      ...['changed steps[1].steps[0] New name (runCommandLine)', '  name:', '  - C', '  + New name'],
    ],
  )
})

test('a step that moved is told once, and one in a moved group is not', () => {
  assert.deepEqual(lines([step('A'), step('B'), step('C')], [step('B'), step('C'), step('A')]), [
    'moved steps[2] A (runCommandLine), from steps[0]',
  ])
  assert.deepEqual(lines([step('A'), group('G', [step('B')])], [group('G', [step('A'), step('B')])]), [
    'moved steps[0].steps[0] A (runCommandLine), from steps[0]',
  ])
  const inner = group('Inner', [step('A'), step('B')])
  assert.deepEqual(lines([inner, group('Outer', [step('C')])], [group('Outer', [step('C'), inner])]), [
    'moved steps[0].steps[1] Inner (group), from steps[0]',
  ])
})

test('names that repeat are told apart by their order', () => {
  const restart = { type: 'restartComputer', name: 'Restart' }
  assert.deepEqual(lines([restart, step('A'), restart], [restart, step('A'), restart, step('B'), restart]), [
    'added steps[3] B (runCommandLine)',
    'added steps[4] Restart (restartComputer)',
  ])
})

test('texts of several lines are told by their lines', () => {
  const script = (source: string) => ({ type: 'runScript', name: 'S', interpreter: 'sh', source })
  const text = Array.from({ length: 20 }, (_, index) => `line ${index}`)
  const other = text.with(10, 'changed')
  assert.deepEqual(lines([script(text.join('\n'))], [script(other.join('\n'))]), [
    'changed steps[0] S (runScript)',
    '  source:',
    ...['    …', '    line 8', '    line 9', '  - line 10', '  + changed', '    line 11', '    line 12', '    …'],
  ])
})

test('two sequences that have nothing in common are compared quickly', () => {
  const many = (prefix: string) => Array.from({ length: 5_000 }, (_, index) => step(`${prefix}${index}`))
  const { added, removed } = diffSequences(sequence(many('a')), sequence(many('b')))
  assert.deepEqual([added.length, removed.length], [5_000, 5_000])
})
