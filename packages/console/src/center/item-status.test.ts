import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CenterItem, RunProgress } from '@sluice/protocol'
import * as states from '../../testing/center-states.ts'
import { itemStatus, runFraction, runOf } from './item-status.ts'

const item = (more = {}) => CenterItem.parse(states.upgrade(more))
const run = (more = {}) => RunProgress.parse(states.run(more))
const status = (one: CenterItem, now?: RunProgress) => itemStatus(one, now).kind

test('without a run the item speaks for itself', () => {
  assert.equal(status(item()), 'available')
  assert.equal(status(item({ state: 'installed' })), 'installed')
  assert.equal(status(item({ state: 'installing' })), 'preparing')
  assert.equal(status(item({ state: 'failed', lastReport: states.failed() })), 'failed')
  assert.equal(status(item({ lastReport: { ...states.failed(), result: 'cancelled' } })), 'cancelled')
})

test('what a run does right now is its status', () => {
  const installing = item({ state: 'installing' })
  assert.equal(status(installing, RunProgress.parse(states.preparing())), 'preparing')
  assert.equal(status(installing, run()), 'running')
  assert.equal(status(installing, RunProgress.parse(states.downloading())), 'downloading')
  assert.equal(status(installing, RunProgress.parse(states.waiting())), 'waiting')
  assert.equal(status(installing, RunProgress.parse(states.restarting())), 'restarting')
})

test('the run of another item, or one that is over, says nothing about this one', () => {
  assert.equal(status(item({ deploymentId: states.driversId }), run()), 'available')
  assert.equal(runOf(item(), run({ phase: 'finished' })), undefined)
})

test('a bar never goes back within a step, and never beyond its end', () => {
  const steps = [
    run({ step: 0, stepCount: 4 }),
    run({ step: 1, stepCount: 4 }),
    run({ step: 2, stepCount: 4, percent: 50 }),
    run({ step: 4, stepCount: 4, percent: 100 }),
  ]
  assert.deepEqual(steps.map(runFraction), [0, 0, 0.375, 1])
  assert.equal(runFraction(run({ step: 5, stepCount: 4, percent: 100 })), 1)
  assert.equal(runFraction(run({ stepCount: 0 })), 0)
})

test('half of a step is its download, where the step itself tells nothing', () => {
  const half = { packageName: 'p', doneBytes: 5, totalBytes: 5, bytesPerSecond: 1 }
  assert.equal(runFraction(run({ step: 1, stepCount: 1, download: half })), 0.5)
  assert.equal(runFraction(run({ step: 1, stepCount: 1, download: { ...half, totalBytes: 0 } })), 0)
})
