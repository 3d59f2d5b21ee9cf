import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VariableChange } from '../host.ts'
import { sequenceOf, variableOf, wholeRun } from '../testing/index.ts'

const change = (name: string, value: string, hidden = false): VariableChange => ({ name, value, hidden })
const command = { type: 'runCommandLine', name: 'Script', commandLine: 'script', continueOnError: true } as const
const after = (changes: VariableChange[], exitCode = 0, more: object = {}) =>
  wholeRun(sequenceOf([{ ...command, ...more }], { variables: [{ variable: 'Old', value: '1' }] }), {
    outcome: () => ({ kind: 'exited', exitCode, output: 'printed', changes }),
  })

test('what a step set is in the run and its journal; hidden values are masked', async () => {
  const { state, host } = await after([change('New', 'x'), change('OLD', ''), change('Pin', '1234', true)])
  assert.equal(variableOf(state, 'new'), 'x')
  assert.equal(variableOf(state, 'Old'), undefined)
  assert.equal(variableOf(state, 'Pin'), '1234')
  const told = host.journal.flatMap((entry) => (entry.kind === 'variableSet' ? [`${entry.name}=${entry.value}`] : []))
  assert.deepEqual(told, ['Old=1', 'New=x', 'OLD=', 'Pin=********'])
})

test('a step that fails or takes too long has set what it set; its output wins over what it set', async () => {
  assert.equal(variableOf((await after([change('New', 'x')], 1)).state, 'New'), 'x')
  assert.equal(variableOf((await after([change('New', 'x')], 0, { outputTo: 'New' })).state, 'New'), 'printed')
  const timedOut = await wholeRun(sequenceOf([command]), {
    outcome: () => ({ kind: 'timedOut', changes: [change('New', 'x')] }),
  })
  assert.equal(variableOf(timedOut.state, 'New'), 'x')
})

test('a read-only name is refused, and the step fails', async () => {
  const { state, host } = await after([change('_SMSTSModel', 'another'), change('New', 'x')])
  assert.equal(variableOf(state, '_SMSTSModel'), 'Lodestar 14')
  assert.equal(variableOf(state, 'New'), 'x')
  const end = host.journal.find((entry) => entry.kind === 'stepFinished')
  assert.ok(end?.kind === 'stepFinished')
  assert.deepEqual([end.outcome, end.problem?.code], ['failedContinued', 'VARIABLE_REFUSED'])
})
