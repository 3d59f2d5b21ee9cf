import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, Sequence, type SequenceNode } from '@sluice/protocol'
import { flatten } from './flatten.ts'
import { surelyNeeded } from './look-ahead.ts'

const id = (n: number) => PackageId.parse(`ABC0000${n}`)
const fetch = (n: number, more: object = {}) => ({
  type: 'downloadPackageContent',
  name: `Fetch ${n}`,
  packages: [id(n)],
  ...more,
})
const run = { type: 'runCommandLine', name: 'Run', commandLine: 'true' }
const when = { variable: 'X', operator: 'exists' }
/** Packages that are looked ahead for while the first step runs. */
const ahead = (steps: object[], most = 10) => {
  const parsed = Sequence.parse({ format: 'sluice-sequence/1', name: 'S', steps: [run, ...steps] as SequenceNode[] })
  return surelyNeeded(flatten(parsed), 0, most).map(({ packageId }) => Number(packageId.slice(-1)))
}

test('the next steps, in and out of groups, but no more than asked for', () => {
  const group = { type: 'group', name: 'G', steps: [fetch(2), { type: 'group', name: 'H', steps: [fetch(3)] }] }
  assert.deepEqual(ahead([fetch(1), group, fetch(4)]), [1, 2, 3, 4])
  assert.deepEqual(ahead([fetch(1), group, fetch(4)], 2), [1, 2])
})

test('nothing behind a condition, of a step or of a group', () => {
  assert.deepEqual(ahead([fetch(1), fetch(2, { condition: when }), fetch(3)]), [1])
  assert.deepEqual(ahead([{ type: 'group', name: 'G', condition: when, steps: [fetch(1)] }, fetch(2)]), [])
})

test('what is disabled is passed over; what restarts ends it, after its own package', () => {
  assert.deepEqual(
    ahead([fetch(1, { disabled: true }), { type: 'group', name: 'G', disabled: true, steps: [fetch(2)] }, fetch(3)]),
    [3],
  )
  assert.deepEqual(ahead([fetch(1), { type: 'restartComputer', name: 'R' }, fetch(2)]), [1])
  assert.deepEqual(ahead([{ type: 'upgradeOperatingSystem', name: 'U', package: id(1) }, fetch(2)]), [1])
  assert.deepEqual(
    ahead([{ type: 'upgradeOperatingSystem', name: 'U', package: id(1), scanOnly: true }, fetch(2)]),
    [1, 2],
  )
})

test('a package that is chosen at run time is not guessed', () => {
  assert.deepEqual(ahead([fetch(1, { packages: [{ chosenBy: '%P%', candidates: [id(1), id(2)] }, id(3)] })]), [3])
})
