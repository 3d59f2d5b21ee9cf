/** Bytes and identities that are not what they must be. */
import assert from 'node:assert/strict'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { must } from '../administrator.ts'
import { seededBytes } from '../demo/seeded-bytes.ts'
import { until } from '../until.ts'
import { contentStep, effectStep, heldStep, scenarioPackage, startWorld } from './world.ts'

const MiB = 1024 * 1024

test('one flipped byte in a pack of the gateway: the step fails as CONTENT_CORRUPT, and nothing of it is used', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [effectStep('before'), contentStep(1)].join(''),
    packages: 1,
    packageBytes: 3 * MiB,
    bytesPerSecond: 100 * MiB,
    settings: { downloadRetryCount: 1, downloadRetryDelayMs: 100 },
  })
  const packs = join(world.device.stateFolder, '../../line/gateway/data')
  const pack = await largestFile(packs)
  const file = await open(pack, 'r+')
  try {
    const { size } = await file.stat()
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.floor(size / 2))
    await file.write(Buffer.from([(buffer[0] ?? 0) ^ 1]), 0, 1, Math.floor(size / 2))
  } finally {
    await file.close()
  }
  await world.install()
  const report = await world.finished()
  assert.equal(report.result, 'failure')
  assert.equal(report.problem?.code, 'CONTENT_CORRUPT')
  assert.equal(report.failedStep, 'content-1')
  assert.deepEqual(await world.effects(), ['before'])
  // What came of that content waits as unfinished, and the bytes that could not be proved are not among it.
  const right = seededBytes(scenarioPackage(1).id, 3 * MiB)
  for (const path of await filesBelow(world.device.stateFolder)) {
    if (!path.endsWith('/content.bin')) continue
    assert.match(path, /\/incoming\//, 'nothing of it under a final name')
    const got = await readFile(path)
    assert.ok(!got.equals(right))
    for (let i = 0; i < got.length; i++) if (got[i] !== 0 && got[i] !== right[i]) assert.fail(`a wrong byte at ${i}`)
  }
})

test('a device that is revoked in the middle of a run gets no byte of content, and its run ends', async () => {
  await using resources = new AsyncDisposableStack()
  const world = await startWorld({
    resources,
    steps: [heldStep('before'), contentStep(1)].join(''),
    packages: 1,
    packageBytes: 3 * MiB,
    bytesPerSecond: 100 * MiB,
    settings: { downloadRetryCount: 0, downloadRetryDelayMs: 0 },
  })
  await world.install()
  await until(async () => (await world.progress())?.stepName === 'before', 'the first step')
  must(await world.line.admin.call('revokeDevice', { id: world.device.id, body: {} }))
  const heard = async () => (await readFile(world.device.logPath, 'utf8')).includes('CERTIFICATE_REVOKED')
  await until(heard, 'the device to hear of it')
  await world.letGo('before')
  const report = await world.finished()
  // Ended when the device hears of it; when a step asks for content before that, by the refusal.
  if (report.result !== 'cancelled') assert.equal(report.problem?.code, 'CERTIFICATE_REVOKED')
  assert.deepEqual(await world.effects(), ['before'])
  assert.equal(must(await world.line.admin.call('gateways'))[0]?.packBytesServed, 0)
})

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
}

async function largestFile(folder: string): Promise<string> {
  let largest = { path: '', size: -1 }
  for (const path of await filesBelow(folder)) {
    const { size } = await stat(path)
    if (size > largest.size) largest = { path, size }
  }
  return largest.path
}
