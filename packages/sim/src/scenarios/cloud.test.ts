/**
 * Content from cloud distribution points: a device runs a sequence whose content lies in object storage
 * and nowhere else, byte for byte, whatever happens to site and gateway meanwhile.
 */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sha256 } from '@sluice/content'
import { openPointAccess } from '@sluice/content/stores'
import { azuriteAccount, azuriteKey, startAzurite, startSwift } from '@sluice/content/testing/cloud'
import { GatewayConfiguration, type PointAccess, type PointStorage, ProblemError } from '@sluice/protocol'
import { must } from '../administrator.ts'
import type { Line } from '../line.ts'
import { until } from '../until.ts'
import { contentEffect } from './content-bytes.ts'
import { startTrustedFront } from './trusted-front.ts'
import { contentStep, effectStep, startWorld, type World } from './world.ts'

const MiB = 1024 * 1024
const PACKAGE_BYTES = 8 * MiB
const steps = [effectStep('before'), contentStep(1), effectStep('after')].join('')
const expected = ['before', contentEffect(1, PACKAGE_BYTES), 'after']

const azurite = await startAzurite()
after(() => azurite.close())
const swift = await startSwift()
after(() => swift?.close())

const azureStorage = async (): Promise<PointStorage> => ({
  kind: 'azureBlob',
  containerUrl: azurite.containerUrl(await azurite.createContainer()),
  prefix: 'sluice/',
  credential: { kind: 'sharedKey', account: azuriteAccount, key: azuriteKey },
})

const makePoint = async (line: Line, storage: PointStorage) => {
  const point = must(await line.admin.call('createDistributionPoint', { body: { name: 'cloud', storage } }))
  assert.ok(!JSON.stringify(point).includes(azuriteKey))
  return [point.id]
}

/** What a device said of where its content came from. */
async function sourcesSaid({ line, device }: World): Promise<{ sources: string[]; passedOver: string[] }> {
  const told = await until(async () => {
    const entries = must(await line.admin.call('status', { query: { device: device.id } }))
    return entries.map(({ message }) => message.event).find((event) => event.kind === 'contentReady')
  }, 'the word of the device on its content')
  return {
    sources: told.sources ?? [],
    passedOver: (told.passedOver ?? []).map(({ name, problem }) => `${name} ${problem.code}`),
  }
}

/** What the gateway got to read with, from its own data folder: with it nothing can be written or deleted. */
async function gatewayOnlyReads({ device }: World, through: (access: PointAccess) => PointAccess): Promise<void> {
  const file = join(device.stateFolder, '../../line/gateway/data/configuration.json')
  const text = await readFile(file, 'utf8')
  const kept = JSON.parse(text) as { configuration: unknown }
  const [point] = GatewayConfiguration.parse(kept.configuration).distributionPoints
  assert.ok(point !== undefined)
  assert.ok(!text.includes(azuriteKey) && !text.includes('test:tester'), 'nothing that writes')
  const store = openPointAccess(through(point.access), { firstPauseMs: 5 })
  const bytes = Buffer.from('something else')
  const name = { kind: 'page', hash: sha256(bytes) } as const
  const written = await store.put(name, bytes)
  assert.equal(written.ok ? 'stored' : written.problem.code, 'STORAGE_REFUSED')
  await assert.rejects(
    store.delete(name),
    (error) => error instanceof ProblemError && error.problem.code === 'STORAGE_REFUSED',
  )
}

test('a device runs with content from Azure Blob storage, relayed by a gateway that only reads', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    ...{ steps, packages: 1, packageBytes: PACKAGE_BYTES, bytesPerSecond: 100 * MiB },
    points: async (line) => makePoint(line, await azureStorage()),
  })
  await world.install()
  const report = await world.finished()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(await world.effects(), expected)
  assert.deepEqual(await sourcesSaid(world), {
    sources: ['cloud'],
    passedOver: ['demo-gateway CONTENT_NOT_DISTRIBUTED'],
  })
  const log = await readFile(join(world.device.stateFolder, '../../device', report.logPath), 'utf8').catch(() =>
    readFile(report.logPath, 'utf8'),
  )
  assert.match(log, /Source: cloud distribution point cloud, 1 of 1/)
  assert.match(log, /Source passed over: demo-gateway: CONTENT_NOT_DISTRIBUTED/)
  assert.ok(!log.includes('sig='), 'no signed address in a log')
  await gatewayOnlyReads(world, (access) => access)
})

test('a device fetches from S3 itself, without its certificate; the site is away and content goes on', {
  skip: swift === undefined ? 'OpenStack Swift is not installed (see docs/content.md)' : false,
}, async (t) => {
  if (swift === undefined) return
  const front = await startTrustedFront(t, swift.port)
  const { credentials, region, bucket } = await swift.createBucket()
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    ...{
      steps: steps,
      packages: 1,
      packageBytes: PACKAGE_BYTES,
      bytesPerSecond: 100 * MiB,
    },
    async points(line) {
      const endpoint = `https://127.0.0.1:${front.port}`
      const storage = { kind: 's3', endpoint, region, bucket, addressing: 'path', prefix: '' } as const
      const points = await makePoint(line, { ...storage, writer: credentials, reader: swift.reader })
      // Then nothing but the storage can be the source.
      must(await line.admin.call('changeGateway', { id: line.gatewayId, body: { serveContent: false } }))
      return points
    },
  })
  front.holdAfter(3 * MiB)
  await world.install()
  await until(async () => ((await world.progress())?.download?.doneBytes ?? 0) > MiB, 'the middle of the download')
  await world.line.site.kill()
  front.goOn()
  const report = await world.finished()
  assert.equal(report.result, 'success', JSON.stringify(report.problem))
  assert.deepEqual(await world.effects(), expected)
  await world.line.site.start()
  const said = await sourcesSaid(world)
  assert.deepEqual(said, { sources: ['cloud'], passedOver: ['demo-gateway GATEWAY_CONTENT_DISABLED'] })
  assert.equal(front.clientCertificates(), 0)
  const [gateway] = must(await world.line.admin.call('gateways'))
  assert.equal(gateway?.packBytesServed, 0)
  await gatewayOnlyReads(world, (access) =>
    access.kind === 's3' ? { ...access, endpoint: `http://127.0.0.1:${swift.port}` } : access,
  )
})
