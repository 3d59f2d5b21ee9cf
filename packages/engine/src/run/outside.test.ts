import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DeploymentId, DeploymentSettings, type PolicyVariable, SequenceId } from '@sluice/protocol'
import { ManualHost, sequenceOf, variableOf } from '../testing/index.ts'
import { flatten } from './flatten.ts'
import { fromOutside } from './outside.ts'
import { startRun, type UndeclaredInputs } from './start.ts'

const sequence = sequenceOf([{ type: 'restartComputer', name: 'R' }], {
  inputs: [
    { variable: 'Language', pattern: '[a-z]{2}', default: 'sv' },
    { variable: 'Room', default: 'none' },
  ],
  variables: [{ variable: 'Ring', value: 'of the sequence' }],
})
const device = (name: string, value: string): PolicyVariable => ({ name, value, level: 'device' })
const collection = (name: string, value: string): PolicyVariable => ({ name, value, level: 'collection' })

async function begin(variables: PolicyVariable[], inputs: Record<string, string>, undeclaredInputs: UndeclaredInputs) {
  return startRun({
    ...{ sequence, table: flatten(sequence), variables, undeclaredInputs, startedBy: 'user', logPath: '/log', at: 0 },
    sequenceId: SequenceId.parse('seq_0000000000'),
    deploymentId: DeploymentId.parse('dep_0000000000'),
    settings: DeploymentSettings.parse({ inputs }),
    facts: await new ManualHost().facts(),
  })
}

test('a device counts before a deployment, a deployment before a collection, and all before the sequence', async () => {
  const seen = async (variables: PolicyVariable[], inputs: Record<string, string> = {}) => {
    const started = await begin(variables, inputs, 'allow')
    assert.ok(started.ok)
    return ['Language', 'Room', 'Ring', 'Extra'].map((name) => variableOf(started.value.state, name) ?? '')
  }
  assert.deepEqual(await seen([]), ['sv', 'none', 'of the sequence', ''])
  const all = [collection('language', 'de'), collection('RING', 'pilot'), collection('Extra', 'x')]
  assert.deepEqual(await seen(all), ['de', 'none', 'pilot', 'x'])
  assert.deepEqual(await seen(all, { Language: 'es', Ring: 'wide' }), ['es', 'none', 'wide', 'x'])
  const own = [device('LANGUAGE', 'it'), device('Ring', 'mine')]
  assert.deepEqual(await seen([...all.slice(2), ...own], { Language: 'es', Ring: 'wide' }), ['it', 'none', 'mine', 'x'])
})

test('with release keys elsewhere they reach declared inputs only, and the rest is left out', async () => {
  const started = await begin([device('Language', 'it'), collection('Ring', 'pilot')], {}, 'refuse')
  assert.ok(started.ok)
  assert.equal(variableOf(started.value.state, 'Language'), 'it')
  assert.equal(variableOf(started.value.state, 'Ring'), 'of the sequence')
  const bad = await begin([device('Language', '; rm -rf /')], {}, 'refuse')
  assert.equal(bad.ok ? 'started' : bad.problem.code, 'VARIABLE_REFUSED')
  // What a deployment says of things that nobody declared is refused as ever.
  const undeclared = await begin([], { Ring: 'wide' }, 'refuse')
  assert.equal(undeclared.ok ? 'started' : undeclared.problem.code, 'VARIABLE_REFUSED')
})

test('two inputs of a deployment that differ by case only are still refused', () => {
  const { inputs } = fromOutside(sequence, { Room: '1', ROOM: '2' }, [collection('room', '3')])
  assert.deepEqual(inputs, { Room: '1', ROOM: '2' })
})
