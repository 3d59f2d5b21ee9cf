/** Chunks that a device has already, and parts of packages: what is fetched, and what is not. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import { entryIdOf } from '../cache/entry.ts'
import type { TestPackage } from '../download/testing/test-contents.ts'
import { startTestLine } from '../download/testing/test-line.ts'
import { never, once, silent, type TestRun } from '../download/testing/test-run.ts'

const MiB = 1024 * 1024
const acquire = async (run: TestRun, pack: TestPackage, files?: string[]) => {
  const got = await run.contents.acquire({ packageId: pack.policy.id, files, retry: once }, never, silent)
  assert.ok(got.ok, JSON.stringify(got))
  return { ...got.value, ...run.contents.bytes(pack.policy.id) }
}
const big = seededBytes('big', 6 * MiB)
/** The same with some bytes put in near the beginning. */
const shifted = Buffer.concat([big.subarray(0, MiB), Buffer.from('some new bytes'), big.subarray(MiB)])

test('an older version in the cache supplies what stayed: an insertion costs what is around it', async (t) => {
  const line = await startTestLine(t)
  const first = await line.add('ABC00001', { 'big.bin': big, 'old.txt': 'old\n' })
  const second = await line.add('ABC00001', { 'renamed.bin': shifted, 'new.txt': 'new\n' })
  const one = await acquire(await line.open([first]), first)
  assert.equal(one.seedBytes, 0)
  const two = await acquire(await line.open([second]), second)
  assert.deepEqual(readFileSync(join(two.folder, 'renamed.bin')), shifted)
  assert.ok(two.fetchedBytes < MiB, `${two.fetchedBytes} bytes fetched`)
  assert.ok(two.seedBytes > 5 * MiB)
  assert.equal(two.cacheBytes, 0)
})

test('other packages and the configured files of the device supply chunks too, wherever they lie', async (t) => {
  const line = await startTestLine(t)
  const other = await line.add('ABC00002', { 'elsewhere.bin': big })
  const more = seededBytes('more', 5 * MiB)
  const wanted = await line.add('ABC00001', { 'a/big.bin': shifted, 'b/more.bin': more, 'c.txt': 'little\n' })
  const local = join(line.folder, 'vendor')
  mkdirSync(join(local, 'deep'), { recursive: true })
  writeFileSync(join(local, 'deep/blob'), Buffer.concat([Buffer.from('in front'), more]))
  symlinkSync('/etc', join(local, 'away'))
  await acquire(await line.open([other]), other)
  const run = await line.open([wanted], { seedFolders: [local] })
  const got = await acquire(run, wanted)
  assert.deepEqual(readFileSync(join(got.folder, 'a/big.bin')), shifted)
  assert.deepEqual(readFileSync(join(got.folder, 'b/more.bin')), more)
  assert.ok(got.fetchedBytes < 2 * MiB, `${got.fetchedBytes} bytes fetched`)
  assert.ok(got.seedBytes > 9 * MiB)
})

test('a seed that was changed, shortened or removed meanwhile is none: the right bytes come all the same', async (t) => {
  const line = await startTestLine(t)
  const first = await line.add('ABC00001', {
    'a.bin': big,
    'b.bin': seededBytes('b', 2 * MiB),
    'c.bin': seededBytes('c', 2 * MiB),
  })
  const second = await line.add('ABC00001', {
    ...{ 'a.bin': big, 'b.bin': seededBytes('b', 2 * MiB), 'c.bin': seededBytes('c', 2 * MiB), 'd.txt': 'd\n' },
  })
  const { folder } = await acquire(await line.open([first]), first)
  const run = await line.open([second])
  const changed = Buffer.from(big)
  changed.fill(7, 2 * MiB, 2 * MiB + 10)
  for (const name of ['a.bin', 'b.bin']) chmodSync(join(folder, name), 0o644)
  writeFileSync(join(folder, 'a.bin'), changed)
  writeFileSync(join(folder, 'b.bin'), 'short')
  rmSync(join(folder, 'c.bin'))
  const got = await acquire(run, second)
  assert.deepEqual(readFileSync(join(got.folder, 'a.bin')), big)
  assert.deepEqual(readFileSync(join(got.folder, 'b.bin')), seededBytes('b', 2 * MiB))
  assert.deepEqual(readFileSync(join(got.folder, 'c.bin')), seededBytes('c', 2 * MiB))
})

test('a step gets some files of a package: only they are fetched, beside what others get', async (t) => {
  const line = await startTestLine(t)
  const files = { 'setup.exe': 'setup\n', 'sources/install.wim': big, 'sources/boot.wim': seededBytes('boot', 4 * MiB) }
  const pack = await line.add('ABC00001', files)
  const run = await line.open([pack])
  const part = await acquire(run, pack, ['setup.exe', 'sources/b*.wim'])
  assert.deepEqual(readdirSync(part.folder, { recursive: true }).sort(), ['setup.exe', 'sources', 'sources/boot.wim'])
  assert.deepEqual(readFileSync(join(part.folder, 'sources/boot.wim')), files['sources/boot.wim'])
  assert.ok(part.fetchedBytes < 5 * MiB && part.fetchedBytes === part.neededBytes)
  assert.equal(run.cache.find(entryIdOf(pack.policy.contentId)), undefined)

  // The whole later: what the part has is copied, and the part stays as it was given.
  const whole = await acquire(run, pack)
  assert.deepEqual(readFileSync(join(whole.folder, 'sources/install.wim')), big)
  assert.ok(line.contents.served.packBytes <= pack.policy.storedBytes + MiB, 'at most a frame that both need')
  assert.ok(existsSync(join(part.folder, 'setup.exe')))
  // From now on the whole serves every part.
  const again = await acquire(run, pack, ['setup.exe'])
  assert.equal(again.folder, whole.folder)

  const none = await run.contents.acquire(
    { packageId: pack.policy.id, files: ['setup.exe', 'sources/*.esd'], retry: { count: 5, delayMs: 60_000 } },
    never,
    silent,
  )
  assert.ok(none.ok, 'where all is here, all is given')
})

test('files that the package does not have end the step at once, before a byte of it is fetched', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'setup.exe': 'setup\n', 'big.bin': big })
  const run = await line.open([pack])
  const order = { packageId: pack.policy.id, files: ['*.exe', 'x86/**'], retry: { count: 5, delayMs: 60_000 } }
  const refused = await run.contents.acquire(order, never, silent)
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'FILES_NOT_IN_PACKAGE')
  assert.match(refused.problem.detail, /Nothing fits x86\/\*\*/)
  assert.equal(line.contents.served.packBytes, 0)
})

test('what was there before the run is counted as of the cache, once', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'big.bin': big })
  await acquire(await line.open([pack]), pack)
  const run = await line.open([pack])
  await acquire(run, pack)
  const got = await acquire(run, pack)
  assert.deepEqual([got.cacheBytes, got.fetchedBytes, got.seedBytes], [6 * MiB, 0, 0])
})

test('two that want one content at the same time fetch it once', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'big.bin': big })
  const run = await line.open([pack])
  const [one, two] = await Promise.all([acquire(run, pack), acquire(run, pack)])
  assert.equal(one.folder, two.folder)
  assert.equal(line.contents.served.packBytes, pack.policy.storedBytes)
})
