/** Contents that come before a step asks for them: look-ahead while another step runs, and pre-cache. */
import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import type { PackageId } from '@sluice/protocol'
import { until } from '../testing/until.ts'
import { startRunLine } from './testing/run-line.ts'

const MiB = 1024 * 1024
const [A, B, C] = ['ABC00001', 'ABC00002', 'ABC00003'] as PackageId[]
assert.ok(A !== undefined && B !== undefined && C !== undefined)
const packages = {
  ABC00001: { 'a.bin': seededBytes('a', 2 * MiB) },
  ABC00002: { 'b.bin': seededBytes('b', 2 * MiB) },
  ABC00003: { 'c.bin': seededBytes('c', 2 * MiB) },
}
/** Waits in a step until the test makes the file. */
const waitFor = (file: string) => `until [ -e ${file} ]; do sleep 0.05; done`

test('look-ahead: what the next steps surely need comes while a step runs, once, and nothing behind a condition', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    (effect) => [
      { type: 'runCommandLine', name: 'Long', commandLine: effect('long', waitFor('$SLUICE_OS_ROOT/go')) },
      { type: 'downloadPackageContent', name: 'Fetch A', packages: [A] },
      { type: 'runCommandLine', name: 'Use B', package: B, commandLine: effect('b', 'test -s b.bin') },
      {
        type: 'downloadPackageContent',
        name: 'Perhaps C',
        packages: [C],
        condition: { variable: 'Wanted', operator: 'exists' },
      },
    ],
    { lookAhead: true },
  )
  const ended = line.runToEnd()
  const wanted = line.contents.packages.filter(({ policy }) => policy.id !== C)
  const bytes = wanted.reduce((sum, { policy }) => sum + policy.storedBytes, 0)
  await until('A and B came while the first step runs', () => line.contents.served.packBytes >= bytes)
  await until('the first step runs', () => line.happened().length > 0)
  assert.deepEqual(line.happened(), ['long'])
  writeFileSync(join(line.folder, 'root/go'), '')
  const report = await ended
  assert.equal(report.result, 'success')
  assert.deepEqual(line.happened(), ['long', 'b'])
  assert.equal(report.fetchedBytes, bytes)
  assert.equal(report.neededBytes, bytes)
  assert.ok(report.fetchedBytes <= 1.01 * report.neededBytes)
})

test('a run that ends ends its look-ahead; without the setting there is none', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    (effect) => [
      {
        type: 'runCommandLine',
        name: 'Fails',
        commandLine: effect('fails', `${waitFor('$SLUICE_OS_ROOT/go')}; false`),
      },
      { type: 'downloadPackageContent', name: 'Fetch A', packages: [A] },
    ],
    { lookAhead: true },
  )
  line.contents.bytesPerSecond = 200_000
  const ended = line.runToEnd()
  await until('A begins to come', () => line.contents.served.packBytes > 0)
  writeFileSync(join(line.folder, 'root/go'), '')
  const report = await ended
  assert.equal(report.result, 'failure')
  assert.ok(report.fetchedBytes < 2 * MiB)
  const served = line.contents.served.packBytes

  const plain = await startRunLine(t, packages, (effect) => [
    { type: 'runCommandLine', name: 'First', commandLine: effect('first', 'sleep 0.5; false') },
    { type: 'downloadPackageContent', name: 'Fetch A', packages: [A] },
  ])
  assert.equal((await plain.runToEnd()).result, 'failure')
  assert.equal(plain.contents.served.packBytes, 0)
  assert.equal(line.contents.served.packBytes, served, 'and nothing went on in the background')
})

test('pre-cache: what fits the device by its tags comes before the start; the run then fetches nothing', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    (effect) => [
      { type: 'downloadPackageContent', name: 'Fetch', packages: [A, B], saveAs: 'X' },
      { type: 'runCommandLine', name: 'Last', commandLine: effect('last') },
    ],
    { preCache: true, deadlineAt: new Date(Date.now() + 3600_000).toISOString() },
  )
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
  const [deployment] = line.site.body.deployments
  assert.ok(deployment !== undefined)
  const tagged = (id: PackageId, preCache: object, persist = false) => {
    const pack = deployment.packages.find((one) => one.id === id)
    assert.ok(pack !== undefined)
    pack.preCache = preCache
    if (persist) pack.persist = true
  }
  tagged(A, { architecture: process.arch === 'x64' ? 'x64' : 'arm64' }, true)
  tagged(C, { model: 'No Such Model 9000' })
  const ended = line.runToEnd()
  const stored = (id: PackageId) => line.contents.packages.find(({ policy }) => policy.id === id)?.policy
  const folder = (id: PackageId) => join(line.folder, 'device/cache/contents', stored(id)?.contentId ?? '')
  await until('A and B are here', () => existsSync(folder(A)) && existsSync(folder(B)))
  const bytes = (stored(A)?.storedBytes ?? 0) + (stored(B)?.storedBytes ?? 0)
  assert.equal(line.contents.served.packBytes, bytes)
  assert.ok(!existsSync(folder(C)), 'another model')
  assert.deepEqual(line.happened(), [])

  deployment.settings.deadlineAt = '2020-01-01T00:00:00Z'
  deployment.revision += 1
  const report = await ended
  assert.equal(report.result, 'success')
  assert.equal(report.fetchedBytes, 0)
  assert.equal(report.sources?.cacheBytes, 4 * MiB)
  assert.equal(line.contents.served.packBytes, bytes)
})

test('a run that starts while pre-cache works goes first, and takes what is here already', async (t) => {
  const line = await startRunLine(
    t,
    packages,
    (effect) => [
      { type: 'downloadPackageContent', name: 'Fetch', packages: [B] },
      { type: 'runCommandLine', name: 'Last', commandLine: effect('last') },
    ],
    { preCache: true, deadlineAt: new Date(Date.now() + 3600_000).toISOString() },
  )
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
  line.contents.bytesPerSecond = 300_000
  const ended = line.runToEnd()
  await until('pre-cache fetches', () => line.contents.served.packBytes > 200_000)
  const [deployment] = line.site.body.deployments
  assert.ok(deployment !== undefined)
  deployment.settings.deadlineAt = '2020-01-01T00:00:00Z'
  deployment.revision += 1
  await until('the run has begun', () => line.site.messages.some(({ event }) => event.kind === 'runStarted'))
  line.contents.bytesPerSecond = undefined
  const report = await ended
  assert.equal(report.result, 'success')
  const stored = line.contents.packages.find(({ policy }) => policy.id === B)?.policy.storedBytes ?? 0
  assert.ok(report.fetchedBytes <= stored)
})
