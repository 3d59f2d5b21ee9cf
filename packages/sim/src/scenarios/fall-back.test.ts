/** A source that ends in the middle of a step: the device goes on with the next, and admin and device both read why. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { distribute, must } from '../administrator.ts'
import { until } from '../until.ts'
import { startAnotherGateway } from './another-gateway.ts'
import { contentEffect } from './content-bytes.ts'
import { contentStep, effectStep, scenarioPackage, startWorld } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 8 * MiB

test('a gateway stops serving content in the middle of a step: its status and the log name it, with the reason', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [effectStep('before'), contentStep(1), effectStep('after')].join(''),
    ...{ packages: 1, packageBytes: PACKAGE_BYTES, bytesPerSecond: 2 * MiB },
  })
  const { admin, gatewayId } = world.line
  const { id } = await startAnotherGateway({ admin, resources, folder: join(world.folder, 'second'), name: 'second' })
  await distribute(admin, id, [scenarioPackage(1).id])
  await world.device.softwareCenter.syncPolicy()
  await world.install()
  await until(async () => ((await world.progress())?.download?.doneBytes ?? 0) > MiB, 'the middle of the download')
  must(await admin.call('changeGateway', { id: gatewayId, body: { serveContent: false } }))
  const report = await world.finished()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(await world.effects(), ['before', contentEffect(1, PACKAGE_BYTES), 'after'])

  const told = await until(async () => {
    const entries = must(await admin.call('status', { query: { device: world.device.id } }))
    return entries.map(({ message }) => message.event).find((event) => event.kind === 'contentReady')
  }, 'the word of the device on its content')
  assert.deepEqual(told.sources, ['demo-gateway', 'second'])
  assert.deepEqual(
    told.passedOver?.map(({ name, problem: { code } }) => ({ name, code })),
    [{ name: 'demo-gateway', code: 'GATEWAY_CONTENT_DISABLED' }],
  )

  const log = await readFile(join(world.device.stateFolder, 'logs/smsts.log'), 'utf8')
  const said = [...log.matchAll(/Source(?: passed over)?: .*?(?=\]LOG\])/g)].map(([line]) => line)
  assert.match(said[0] ?? '', /^Source: gateway demo-gateway, 1 of 2 in order\.$/)
  assert.match(said[1] ?? '', /^Source passed over: demo-gateway: GATEWAY_CONTENT_DISABLED: /)
  assert.match(said[2] ?? '', /^Source: gateway second, \d of \d in order\.$/)
  assert.equal(said.length, 3)
})
