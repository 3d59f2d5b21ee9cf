/** Addresses of storage that end before the download does, as five minutes do on a slow line. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, type TestContext, test } from 'node:test'
import { type RunningSwift, startSwift, startTlsFront } from '@sluice/content/testing/cloud'
import { must } from '../administrator.ts'
import { startSlowWire } from '../slow-wire.ts'
import { until } from '../until.ts'
import { startAnotherGateway } from './another-gateway.ts'
import { contentEffect } from './content-bytes.ts'
import { contentStep, effectStep, startWorld, type World } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 12 * MiB
const steps = [effectStep('before'), contentStep(1), effectStep('after')].join('')
const expected = ['before', contentEffect(1, PACKAGE_BYTES), 'after']
const swift = await startSwift()
after(() => swift?.close())
const skip = swift === undefined ? 'OpenStack Swift is not installed (see docs/content.md)' : false

/** A bucket over TLS on a slow wire, trusted by site, gateway and device, which are processes of their own. */
async function startStorage(t: TestContext, { port, createBucket, reader }: RunningSwift, bytesPerSecond: number) {
  const front = await startTlsFront(port)
  const wire = await startSlowWire(front.port, bytesPerSecond)
  process.env.NODE_EXTRA_CA_CERTS = front.certificateFile
  t.after(async () => {
    delete process.env.NODE_EXTRA_CA_CERTS
    await wire.close()
    await front.close()
  })
  const { credentials: writer, region, bucket } = await createBucket()
  const endpoint = `https://127.0.0.1:${wire.port}`
  const storage = { kind: 's3', endpoint, region, bucket, addressing: 'path', prefix: '', writer, reader } as const
  return { front, storage }
}

/** What the device said of the content of its run. */
const contentSaid = ({ line, device }: World) =>
  until(async () => {
    const entries = must(await line.admin.call('status', { query: { device: device.id } }))
    return entries.map(({ message }) => message.event).find((event) => event.kind === 'contentReady')
  }, 'the word of the device on its content')

/** One run without a restart and without a step that failed, each byte of its content brought once. */
async function ranWell(world: World) {
  const report = await world.finished()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(await world.effects(), expected)
  return contentSaid(world)
}

test('addresses of storage that end after two seconds, on a slow line, cost nothing but questions', {
  skip,
}, async (t) => {
  if (swift === undefined) return
  const { front, storage } = await startStorage(t, swift, 1.5 * MiB)
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    ...{ steps, packages: 1, packageBytes: PACKAGE_BYTES, bytesPerSecond: 100 * MiB },
    points: async ({ admin }) => [
      must(await admin.call('createDistributionPoint', { body: { name: 'cloud', storage } })).id,
    ],
  })
  const { admin, gateway } = world.line
  const another = { admin, resources, folder: join(world.folder, 'second'), name: 'second' }
  const second = await startAnotherGateway({ ...another, use: { urlLifeMs: 2_000 } })
  await gateway.kill()
  await until(async () => {
    await world.device.softwareCenter.syncPolicy()
    return must(await admin.call('device', { id: world.device.id })).lastGatewayId === second.id
  }, 'the device to use the other gateway')
  await world.install()
  const said = await ranWell(world)
  assert.deepEqual(said.sources, ['cloud'])
  assert.ok(front.refusals() > 0, 'addresses ended on the way')
  assert.equal(said.fetchedBytes, said.neededBytes, 'nothing came twice')
})
