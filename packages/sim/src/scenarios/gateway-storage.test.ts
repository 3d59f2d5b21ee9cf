/**
 * A gateway that changes from its own folder to cloud storage, and back, while a device downloads: the run
 * goes on with what it has, and the next one comes from the new place.
 */

import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sha256 } from '@sluice/content'
import { startSwift } from '@sluice/content/testing/cloud'
import type { CloudPointId } from '@sluice/protocol'
import { jobDone, must } from '../administrator.ts'
import { until } from '../until.ts'
import { contentEffect } from './content-bytes.ts'
import { startTrustedFront } from './trusted-front.ts'
import { contentStep, effectStep, scenarioPackage, startWorld } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 6 * MiB
const swift = await startSwift()
after(() => swift?.close())

test('a gateway uses storage instead of its folder and goes back, and no running device misses anything', {
  skip: swift === undefined ? 'OpenStack Swift is not installed (see docs/content.md)' : false,
}, async (t) => {
  if (swift === undefined) return
  const front = await startTrustedFront(t, swift.port)
  const { credentials, region, bucket } = await swift.createBucket()
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [effectStep('before'), contentStep(1), effectStep('after')].join(''),
    ...{ packages: 1, packageBytes: PACKAGE_BYTES, bytesPerSecond: 2 * MiB },
  })
  const { admin, gatewayId } = world.line
  const { id } = scenarioPackage(1)
  const endpoint = `https://127.0.0.1:${front.port}`
  const storage = { kind: 's3', endpoint, region, bucket, addressing: 'path', prefix: '' } as const
  const point = must(
    await admin.call('createDistributionPoint', {
      body: { name: 'cloud', storage: { ...storage, writer: credentials, reader: swift.reader } },
    }),
  )
  const use = async (contentPoint: CloudPointId | null) =>
    must(await admin.call('changeGateway', { id: gatewayId, body: { contentPoint } }))
  const state = async (place: string, of: number) =>
    must(await admin.call('package', { id })).distribution.find(
      ({ pointId, version }) => pointId === place && version === of,
    )?.state
  const sources = async (runs: number) => {
    const told = await until(async () => {
      const entries = must(await admin.call('status', { query: { device: world.device.id } }))
      const ready = entries.map(({ message }) => message.event).filter(({ kind }) => kind === 'contentReady')
      return ready.length === runs ? ready : undefined
    }, `the word of the device on the content of run ${runs}`)
    return told.flatMap((event) => ('sources' in event ? event.sources : []))
  }
  const downloading = () =>
    until(async () => ((await world.progress())?.download?.doneBytes ?? 0) > MiB, 'the middle of the download')
  const effects = ['before', contentEffect(1, PACKAGE_BYTES), 'after']

  await world.install()
  await downloading()
  assert.equal((await use(point.id)).contentPoint, point.id)
  await until(async () => (await state(point.id, 1)) === 'installed', 'the storage to have it')
  await until(async () => (await state(gatewayId, 1)) === 'removing', 'the folder to let go of it')
  assert.equal((await world.finished()).result, 'success')
  assert.deepEqual(await world.effects(), effects)
  assert.deepEqual(await sources(1), ['demo-gateway'], 'it went on with the folder')
  const served = must(await admin.call('gateways'))[0]?.packBytesServed ?? 0
  assert.ok(served > 0)

  // The next version goes to the storage only.
  const next = randomFillSync(Buffer.alloc(PACKAGE_BYTES + MiB))
  const folder = join(world.folder, 'sources', scenarioPackage(1).folder)
  await writeFile(join(folder, 'content.bin'), next)
  await jobDone(admin, must(await admin.call('updatePackage', { id, body: { folder } })).jobId)
  await until(async () => (await state(point.id, 2)) === 'installed', 'the storage to have the next version')
  assert.equal(await state(gatewayId, 2), undefined)
  await until(async () => {
    await world.device.softwareCenter.syncPolicy()
    const [item] = (await world.device.softwareCenter.state())?.items ?? []
    return (item?.referencedBytes ?? 0) > PACKAGE_BYTES + MiB / 2
  }, 'the device to hear of the next version')
  front.holdAfter(3 * MiB)
  await world.install()
  await downloading()
  assert.equal((await use(null)).contentPoint, undefined)
  front.goOn()
  await until(async () => (await state(gatewayId, 2)) === 'installed', 'the folder to have it again')
  assert.equal((await world.finished()).result, 'success')
  assert.deepEqual(await world.effects(), [...effects, 'before', sha256(next).slice(0, 16), 'after'])
  assert.deepEqual(await sources(2), ['demo-gateway', 'cloud'], 'it went on with the storage')
})
