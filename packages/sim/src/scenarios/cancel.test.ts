/** An administrator ends a run: its present step ends, nothing follows, and site and user read what became of it. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { effectStep, heldStep, startWorld } from './world.ts'

test('a run is cancelled in the middle of a step, with a polling interval of an hour', async () => {
  await using resources = new AsyncDisposableStack()
  const { line, device, deploymentId, ...scenario } = await startWorld({
    resources,
    steps: [heldStep('first'), effectStep('second')].join(''),
    packages: 0,
    packageBytes: 0,
    bytesPerSecond: 1024 * 1024,
  })
  const { admin } = line
  const cancel = () => admin.call('cancelRun', { id: deploymentId, body: { deviceId: device.id } })
  const state = async () => must(await admin.call('deployment', { id: deploymentId })).devices[0]
  const early = await cancel()
  assert.equal(early.ok ? 'cancelled' : early.problem.code, 'CONFLICT')

  await scenario.install()
  await until(async () => (await state())?.state === 'running', 'the site to know of the run')
  assert.equal(must(await cancel()).devices[0]?.cancelOrdered, true)
  const heard = async () => (await readFile(device.logPath, 'utf8')).includes('the run is cancelled')
  await until(heard, 'the device to hear of it')
  await scenario.letGo('first')
  const ended = await until(async () => {
    const now = await state()
    return now?.state === 'cancelled' ? now : undefined
  }, 'the end of the run')
  assert.equal(ended.report?.result, 'cancelled')
  assert.deepEqual(await scenario.effects(), ['first'])

  // The order was for that run: the user may start again.
  await scenario.install()
  await scenario.letGo('first')
  assert.equal((await scenario.finished()).result, 'success')
  assert.deepEqual(await scenario.effects(), ['first', 'first', 'second'])
})
