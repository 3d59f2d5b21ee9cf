import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { missing } from '@sluice/content/testing'
import { type ContentId, PackageId, type RunId, type Sha256 } from '@sluice/protocol'
import { openState, type State } from '../state/state.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { type CacheLimits, openCache } from './cache.ts'
import { entryIdOf } from './entry.ts'

const HOUR_MS = 3600_000
const contentId = (n: number) => n.toString(16).padStart(64, '0') as ContentId
const id = (n: number) => entryIdOf(contentId(n))
const packageOf = (n: number) => PackageId.parse(`ABC${String(n).padStart(5, '0')}`)
const run = (n: number) => `run_${String(n).padStart(10, '0')}` as RunId
const key = { packageKey: new Uint8Array(32), layout: { hash: '0'.repeat(64) as Sha256, sizeBytes: 1 } }

async function device(t: TestContext, limits: Partial<CacheLimits> = {}) {
  const folder = temporaryFolder(t)
  const state = await openState(join(folder, 'state'))
  assert.ok(state.ok)
  t.after(() => state.value.close())
  const clock = { now: 1_000_000_000 }
  const open = () =>
    openCache({
      folder: join(folder, 'cache'),
      state: state.value,
      now: () => clock.now,
      limits: () => ({ maxBytes: 1000, maxPercent: 100, minimumAgeMs: HOUR_MS, ...limits }),
    })
  const cache = await open()
  /** A content of so many bytes, complete. */
  const put = async (n: number, sizeBytes: number) => {
    cache.begin({ entryId: id(n), packageId: packageOf(n), version: 1, persist: false })
    const reserved = await cache.reserve(id(n), sizeBytes)
    mkdirSync(cache.incomingOf(id(n)), { recursive: true })
    writeFileSync(join(cache.incomingOf(id(n)), 'file'), Buffer.alloc(sizeBytes))
    await cache.publish(id(n), key, sizeBytes)
    return reserved
  }
  const here = () => readdirSync(join(folder, 'cache', 'contents')).map((name) => Number.parseInt(name, 16))
  return { folder, cache, clock, open, put, here, state: state.value }
}

test('the least recently used contents go first, when the limit wants it and they are old enough', async (t) => {
  const { cache, clock, put, here } = await device(t)
  await put(1, 400)
  clock.now += 1
  await put(2, 400)
  clock.now += 2 * HOUR_MS
  cache.touch(id(1))
  clock.now += 2 * HOUR_MS
  await put(3, 400)
  assert.deepEqual(here().sort(), [1, 3], 'the second was used least recently')
  await put(4, 400)
  assert.deepEqual(here().sort(), [3, 4], 'what is young stays, although the limit is exceeded by it')
  await put(5, 400)
  assert.deepEqual(here().sort(), [3, 4, 5])
  clock.now += 2 * HOUR_MS
  await cache.trim()
  assert.equal(here().length, 2)
})

test('nothing that a run has leased is evicted, whatever the limit says', async (t) => {
  const { cache, clock, put, here, state } = await device(t)
  const random = seededRandom(3)
  const leased = new Map<number, Set<number>>()
  for (let turn = 0; turn < 300; turn++) {
    const n = 1 + Math.floor(random() * 12)
    const holder = 1 + Math.floor(random() * 2)
    const what = random()
    clock.now += Math.floor(random() * 3 * HOUR_MS)
    if (what < 0.5) await put(n, 100 + Math.floor(random() * 300))
    else if (what < 0.8 && here().includes(n)) {
      state.transaction(() => cache.lease(run(holder), [contentId(n)]))
      leased.set(holder, (leased.get(holder) ?? new Set()).add(n))
    } else {
      cache.release(run(holder))
      leased.delete(holder)
    }
    await cache.trim()
    for (const held of leased.values()) for (const one of held) assert.ok(here().includes(one), `turn ${turn}: ${one}`)
  }
})

test('a start makes folders and rows agree', async (t) => {
  const { folder, cache, open, put, state } = await device(t)
  await put(1, 10)
  await put(2, 10)
  const inCache = (...path: string[]) => join(folder, 'cache', ...path)
  // A stranger, a content whose folder somebody deleted, one that was killed just before its row.
  mkdirSync(inCache('contents', id(9)))
  mkdirSync(inCache('incoming', 'what-is-this'))
  mkdirSync(inCache('trash', 'half-removed'))
  rmSync(inCache('contents', id(1)), { recursive: true })
  state.db.prepare('UPDATE cache_content SET complete = 0 WHERE content_id = ?').run(id(2))

  const again = await open()
  await again.scan()
  assert.equal(again.find(id(1)), undefined)
  assert.equal(again.find(id(2))?.complete, false)
  assert.ok(existsSync(join(cache.incomingOf(id(2)), 'file')), 'its bytes are kept, to be looked through')
  assert.deepEqual(readdirSync(inCache('contents')), [])
  assert.deepEqual(readdirSync(inCache('incoming')), [id(2)])
  assert.deepEqual(readdirSync(inCache('trash')), [])
})

test('what does not fit on the disk is refused with what is missing', async (t) => {
  const { cache } = await device(t)
  cache.begin({ entryId: id(1), packageId: packageOf(1), version: 1, persist: false })
  const refused = await cache.reserve(id(1), 2 ** 60)
  assert.ok(!refused.ok)
  assert.equal(refused.problem.code, 'NO_SPACE')
})

test('what persists or is pinned is not evicted, however old', async (t) => {
  const { cache, clock, put, here, state } = await device(t)
  await put(1, 400)
  await put(2, 400)
  await put(3, 400)
  cache.persist(packageOf(1), true)
  state.db.prepare('UPDATE cache_content SET pinned = 1 WHERE content_id = ?').run(id(2))
  clock.now += 100 * HOUR_MS
  await cache.trim()
  assert.deepEqual(here().sort(), [1, 2])
  await put(4, 900)
  assert.deepEqual(here().sort(), [1, 2, 4], 'and the limit is exceeded rather')
})

test('the smaller of megabytes and percent of the disk is the limit', async (t) => {
  if (process.getuid?.() !== 0) return missing(t, 'only root may mount a small file system')
  const MiB = 1024 * 1024
  const { folder, state } = await device(t)
  const disk = join(folder, 'disk')
  mkdirSync(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=100m', 'tmpfs', disk])
  try {
    await smallDisk(disk, state)
  } finally {
    execFileSync('umount', ['--lazy', disk])
  }

  async function smallDisk(folder: string, state: State) {
    let percent = 100
    const limits = () => ({ maxBytes: 90 * MiB, maxPercent: percent, minimumAgeMs: 0 })
    const cache = await openCache({ folder: join(folder, 'cache'), state, now: Date.now, limits })
    for (const n of [1, 2, 3]) {
      cache.begin({ entryId: id(n), packageId: packageOf(n), version: n, persist: false })
      assert.ok((await cache.reserve(id(n), 10 * MiB)).ok)
      mkdirSync(cache.incomingOf(id(n)))
      writeFileSync(join(cache.incomingOf(id(n)), 'file'), Buffer.alloc(10 * MiB))
      await cache.publish(id(n), key, 10 * MiB)
    }
    assert.equal(cache.all().length, 3, '30 MiB are less than 90 MiB and than the disk')
    percent = 25
    await cache.trim()
    assert.equal(cache.all().length, 2, '25 MiB of the disk of 100 MiB')
    // What no limit wanted away goes when the disk wants it.
    cache.begin({ entryId: id(4), packageId: packageOf(4), version: 4, persist: false })
    assert.ok((await cache.reserve(id(4), 60 * MiB)).ok)
    assert.deepEqual(cache.all().filter(({ complete }) => complete).length, 0)
  }
})

test('an entry whose bytes are not all there any more is looked through before it is content again', async (t) => {
  const { cache, open, put, state } = await device(t)
  await put(1, 10)
  await put(2, 10)
  for (const n of [1, 2]) writeFileSync(join(cache.folderOf(id(n)), 'file'), 'torn')
  state.transaction(() => cache.lease(run(1), [contentId(2)]))
  const again = await open()
  await again.scan()
  assert.equal(again.find(id(1))?.complete, false)
  assert.ok(existsSync(cache.incomingOf(id(1))))
  assert.equal(again.find(id(2))?.complete, true, 'a step may be using what is leased; each hand-over mends it')
})

test('leases of a background job that died with an earlier agent end', async (t) => {
  const { cache, put, clock, here } = await device(t)
  await put(1, 900)
  await put(2, 900)
  cache.lease('preCache', [contentId(1)])
  cache.lease(run(1), [contentId(2)])
  cache.releaseOthers((holder) => holder.startsWith('run_'))
  clock.now += 2 * HOUR_MS
  await cache.trim()
  assert.deepEqual(here(), [2])
})

test('an older version makes room for a newer one only when nothing else can', async (t) => {
  const { cache, clock, put, here } = await device(t)
  await put(1, 600)
  await put(2, 300)
  clock.now += 2 * HOUR_MS
  cache.begin({ entryId: id(3), packageId: packageOf(1), version: 2, persist: false })
  assert.ok((await cache.reserve(id(3), 600)).ok)
  assert.deepEqual(here(), [1], 'it supplies chunks to the new one; the other package went')
})
