import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sequence } from '@sluice/protocol'
import type { z } from 'zod'
import { firstState, ManualHost, sequenceOf, variableOf } from '../testing/index.ts'
import { checkInputs } from './start.ts'

const declaring = (inputs: z.input<typeof Sequence>['inputs']): Sequence =>
  sequenceOf([{ type: 'restartComputer', name: 'R' }], { inputs })

test('declared inputs: defaults, pattern and length', () => {
  const sequence = declaring([
    { variable: 'Language', pattern: 'de|sv', default: 'sv' },
    { variable: 'Site', maxLength: 3 },
  ])
  const given = (inputs: Record<string, string>): string => {
    const result = checkInputs(sequence, inputs, 'refuse')
    return result.ok ? [...result.value.values].join(' ') : result.problem.detail
  }
  assert.equal(given({}), 'Language,sv')
  assert.equal(given({ language: 'de', SITE: 'ABC' }), 'Language,de Site,ABC')
  assert.equal(given({ Language: 'den' }), 'Input Language does not match de|sv.')
  assert.equal(given({ Site: 'ABCD' }), 'Input Site: 4 characters, at most 3.')
  assert.equal(given({ Other: 'x' }), 'The sequence does not declare an input Other.')
  assert.equal(given({ Site: 'a', SITE: 'b' }), 'Two inputs have the same name but for upper and lower case.')
})

test('undeclared inputs are allowed with a warning where the catalogue is online, but never read-only names', () => {
  const sequence = declaring([])
  const allowed = checkInputs(sequence, { Other: 'x' }, 'allow')
  assert.ok(allowed.ok)
  assert.deepEqual(allowed.value.warnings, ['The sequence does not declare the input Other.'])
  assert.deepEqual([...allowed.value.values], [['Other', 'x']])
})

test('a run starts with the facts of the device and of the deployment', async () => {
  const host = new ManualHost()
  const { state, entries } = await firstState(declaring([{ variable: 'A', default: '1' }]), host, {
    settings: { contentOption: 'allBeforeStart', downloadRetryCount: 7, downloadRetryDelayMs: 1500 },
  })
  const values = ['_SMSTSModel', '_SMSTSType', '_SMSTSUserStarted', '_SMSTSDownloadOnDemand', 'A'].map((name) =>
    variableOf(state, name),
  )
  assert.deepEqual(values, ['Lodestar 14', '1', 'true', 'false', '1'])
  assert.equal(variableOf(state, 'SMSTSDownloadRetryDelay'), '1.5')
  assert.deepEqual(entries, [
    { kind: 'runStarted', at: 0 },
    { kind: 'variableSet', at: 0, name: 'A', value: '1', hidden: false },
  ])
  await assert.rejects(firstState(declaring([]), host, { inputs: { _SMSTSModel: 'x' } }), /may not be set/)
})
