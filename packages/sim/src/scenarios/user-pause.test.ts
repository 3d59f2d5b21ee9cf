/** The device's user lets a run rest, as far as the deployment and the administrator let him. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { must } from '../administrator.ts'
import { until } from '../until.ts'
import { effectStep, heldStep, startWorld } from './world.ts'

test('a user pauses; the administrator lets the run go on, and time does', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: heldStep('one') + heldStep('two') + effectStep('three'),
    ...{ packages: 0, packageBytes: 0, bytesPerSecond: 1024 * 1024 },
    settings: { userPauseMs: 3600_000 },
  })
  const { admin } = world.line
  const { deploymentId: id, device } = world
  const pause = (paused: boolean) => device.softwareCenter.pause(id, paused)
  const shows = (what: string, seen: (run: Awaited<ReturnType<typeof world.progress>>) => boolean) =>
    until(async () => seen(await world.progress()), `${what}; the agent's log is ${device.logPath}`)

  assert.equal(await pause(true), 'NOT_FOUND')
  await world.install()
  await shows('the first step', (run) => run?.phase === 'running')
  assert.equal(await pause(true), undefined)
  assert.equal((await world.progress())?.pausedBy, 'user')
  await world.letGo('one')
  await shows('the run rests', (run) => run?.phase === 'paused')
  assert.deepEqual(await world.effects(), ['one'])
  // The user may, until the administrator says otherwise.
  await until(
    async () => must(await admin.call('deployment', { id })).devices[0]?.userPausedUntil !== undefined,
    'the site to know of the pause',
  )
  must(await admin.call('pauseRun', { id, body: { deviceId: device.id, paused: false } }))
  await shows('the run goes on', (run) => run?.phase === 'running')
  assert.equal(await pause(true), 'PAUSE_NOT_ALLOWED')
  await until(
    async () => must(await admin.call('deployment', { id })).devices[0]?.userPausedUntil === undefined,
    'the site to know of its end',
  )
  await world.letGo('two')
  assert.equal((await world.finished()).result, 'success')
  assert.deepEqual(await world.effects(), ['one', 'two', 'three'])

  const { settings } = must(await admin.call('deployment', { id }))
  const body = { ...settings, userPauseMs: 1_500, deadlineAt: '2099-01-01T00:00:00.000Z' }
  must(await admin.call('changeDeployment', { id, body }))
  await until(
    async () => (await device.softwareCenter.state())?.items.some((one) => one.deadlineAt === body.deadlineAt),
    'the changed deployment',
  )
  await world.install()
  await shows('the first step again', (run) => run?.phase === 'running')
  assert.equal(await pause(true), undefined)
  for (const step of ['one', 'two']) await world.letGo(step)
  // Nobody sets it going: its time is over.
  assert.equal((await world.finished()).result, 'success')
  assert.equal((await world.effects()).length, 6)
})
