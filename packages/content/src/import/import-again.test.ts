/** The next version of a package: what it costs to store, and to read. */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { importWorkshop, sameBytes } from '../testing/import-workshop.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'

const MiB = 1024 * 1024

test('the next version stores what is new and shares every page that did not change', async (t) => {
  const site = await importWorkshop(t)
  for (let i = 0; i < 700; i++)
    await writeFile(join(site.folder, `file ${String(i).padStart(4, '0')}`), seededBytes(`file ${i}`, 2000))
  const first = await site.import()
  const same = await site.import()
  equal(same.addedBytes, 0)
  deepEqual(
    same.objects.filter((object) => object.hash !== same.layout.hash),
    first.objects.filter((object) => object.hash !== first.layout.hash),
    'only the layout root differs: it names the version',
  )

  await writeFile(join(site.folder, 'file 0300'), seededBytes('changed', 50_000))
  await writeFile(join(site.folder, 'added'), seededBytes('added', 30_000))
  const next = await site.import()
  ok(next.addedBytes > 80_000 && next.addedBytes < 81_000, `${next.addedBytes} bytes added`)
  const known = new Set(first.objects.map((object) => object.hash))
  const fresh = next.objects.filter((object) => !known.has(object.hash))
  // One pack, the layout root, and manifest and layout of the pages around the two changes.
  ok(
    fresh.length <= 8 && next.objects.length > fresh.length,
    `${fresh.length} of ${next.objects.length} objects are new`,
  )
  sameBytes(site.folder, (await site.restore(next)).folder)
})

test('chunks of a pack that the version hardly uses are stored again', async (t) => {
  const site = await importWorkshop(t)
  const piece = (name: string, sizeBytes: number) => writeFile(join(site.folder, name), seededBytes(name, sizeBytes))
  await piece('wanted', 2 * MiB)
  await piece('other', 10 * MiB)
  const first = await site.import()
  await rm(join(site.folder, 'other'))
  await piece('new', MiB)
  const second = await site.import()
  const packsOf = (version: typeof first) => version.objects.filter((object) => object.kind === 'pack')
  ok(packsOf(second).every((pack) => !packsOf(first).some((old) => old.hash === pack.hash)))
  ok(second.addedBytes > 3 * MiB && second.addedBytes < 3.1 * MiB)
  sameBytes(site.folder, (await site.restore(second)).folder)

  const stored = site.index.stored()
  await site.import()
  equal(site.index.stored(), stored, 'the copies are used from now on')
})

test('what nobody touched is not read again, unless everything shall be', async (t) => {
  const site = await importWorkshop(t)
  for (let i = 0; i < 50; i++) await writeFile(join(site.folder, `file ${i}`), seededBytes(`kept ${i}`, 5000))
  await writeFile(join(site.folder, 'large'), seededBytes('large', 5 * MiB))
  const path = join(site.root, 'memory')
  // As if the files had been left alone for a while: what was written just now is never trusted.
  const later = { path, readAll: false, now: () => Date.now() + 10_000 }
  const first = await site.import({ memory: later })
  const bytesRead = () => readFile('/proc/self/io', 'utf8').then((text) => Number(/rchar: (\d+)/.exec(text)?.[1]))
  const before = await bytesRead()
  await writeFile(join(site.folder, 'file 7'), seededBytes('touched', 5000))
  const second = await site.import({ memory: later })
  const read = (await bytesRead()) - before
  ok(read < 4 * MiB, `${read} bytes read: only what was touched, and pages`)
  ok(second.addedBytes > 5000 && second.addedBytes < 6000, `${second.addedBytes} bytes added`)
  sameBytes(site.folder, (await site.restore(second)).folder)

  // Whoever writes into a file changes its stamp, also when size and time of writing are put back.
  const at = join(site.folder, 'file 8')
  const { atime, mtime } = await stat(at)
  await writeFile(at, seededBytes('hidden', 5000))
  await utimes(at, atime, mtime)
  sameBytes(site.folder, (await site.restore(await site.import({ memory: later }))).folder)

  const all = await site.import({ memory: { ...later, readAll: true } })
  equal(all.addedBytes, 0)
  ok((await bytesRead()) - before > 5 * MiB)
  equal(first.fileCount, all.fileCount)
})

test('a memory that is missing, torn or of chunks that are gone costs reading and nothing else', async (t) => {
  const site = await importWorkshop(t)
  for (let i = 0; i < 20; i++) await writeFile(join(site.folder, `file ${i}`), seededBytes(`torn ${i}`, 5000))
  const path = join(site.root, 'memory')
  const later = { path, readAll: false, now: () => Date.now() + 10_000 }
  await site.import({ memory: later })
  await truncate(path, 300)
  sameBytes(site.folder, (await site.restore(await site.import({ memory: later }))).folder)
  const empty = createMemoryIndex()
  const anew = await site.import({ memory: later, index: empty })
  ok(anew.addedBytes > 100_000, 'all of it is stored again')
  sameBytes(site.folder, (await site.restore(anew)).folder)
})
