/** Parts of the line that go away in the middle of a download: the run waits, goes on, and ends in success. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { contentEffect } from './content-bytes.ts'
import { contentStep, effectStep, startWorld, type World } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 12 * MiB
const steps = [effectStep('before'), contentStep(1), effectStep('after')].join('')
const expected = ['before', contentEffect(1, PACKAGE_BYTES), 'after']

const world = (resources: AsyncDisposableStack) =>
  startWorld({ resources, steps, packages: 1, packageBytes: PACKAGE_BYTES, bytesPerSecond: 3 * MiB })

/** Waits until a part of the content has come down. */
const inMidDownload = ({ progress }: World) =>
  until(async () => {
    const download = (await progress())?.download
    return download !== undefined && download.doneBytes > MiB && download.doneBytes < download.totalBytes
  }, 'the middle of the download')

test('the gateway is away for 20 s in the middle of a download: the user reads why, and the run goes on', async () => {
  await using resources = new AsyncDisposableStack()
  const { line, device, ...scenario } = await world(resources)
  await scenario.install()
  await inMidDownload({ line, device, ...scenario })
  await line.gateway.kill()
  const back = sleep(20_000).then(() => line.gateway.start())
  const waiting = await until(async () => (await scenario.progress())?.waiting, 'the reason for waiting')
  assert.equal(waiting.retry, 'later')
  await back
  const report = await scenario.finished()
  assert.equal(report.result, 'success')
  assert.deepEqual(await scenario.effects(), expected)
  // What was in flight when the gateway went may come twice; what was verified does not.
  assert.ok(report.fetchedBytes <= report.neededBytes + 8 * MiB, `${report.fetchedBytes} for ${report.neededBytes}`)
})

test('the site is away from the middle of a download to after the end: the run succeeds, and its status arrives later', async () => {
  await using resources = new AsyncDisposableStack()
  const { line, device, ...scenario } = await world(resources)
  await scenario.install()
  await inMidDownload({ line, device, ...scenario })
  await line.site.kill()
  const report = await scenario.finished()
  assert.equal(report.result, 'success')
  assert.deepEqual(await scenario.effects(), expected)
  await line.site.start()
  const known = await until(async () => {
    const deployment = must(await line.admin.call('deployment', { id: scenario.deploymentId }))
    const state = deployment.devices.find(({ deviceId }) => deviceId === device.id)
    return state?.state === 'succeeded' ? state : undefined
  }, 'the status at the site')
  assert.deepEqual(known.report, report)
})
