import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PackageId } from '@sluice/protocol'
import { importVersion } from '../import/import-version.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { diffVersions } from './diff-versions.ts'

test('what an update costs is the frames and pages that the version before lacks', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-diff-'))
  t.after(() => rm(root, { recursive: true }))
  const at = (name: string) => join(root, 'folder', name)
  for (const name of ['folder', 'staging']) await mkdir(join(root, name))
  const store = await openFolderStore(join(root, 'store'))
  const index = createMemoryIndex()
  const packageKey = seededBytes('key', 32)
  let version = 0
  const bring = async () =>
    value(
      await importVersion({
        folder: join(root, 'folder'),
        packageId: 'ABC00001' as PackageId,
        version: ++version,
        target: 'any',
        packageKey,
        index,
        store,
        stagingFolder: join(root, 'staging'),
        randomBytes: (size) => seededBytes(`salt ${version}`, size),
        handCount: 1,
      }),
    )
  for (let i = 0; i < 200; i++)
    await writeFile(at(`file ${String(i).padStart(3, '0')}`), seededBytes(`file ${i}`, 9000))
  await writeFile(at('large'), seededBytes('large', 3_000_000))
  const from = await bring()
  const nothing = await diffVersions({ store, packageKey, from, to: await bring() })
  equal(nothing.frameBytes, 0)
  deepEqual([nothing.added, nothing.changed, nothing.removed, nothing.unchanged], [0, 0, 0, 201])
  ok(nothing.pageBytes < 5000, 'the roots')

  await rm(at('file 001'))
  await writeFile(at('file 002'), seededBytes('other', 50_000))
  await writeFile(at('new'), seededBytes('new', 70_000))
  const to = await bring()
  const diff = await diffVersions({ store, packageKey, from, to })
  deepEqual([diff.added, diff.changed, diff.removed, diff.unchanged], [1, 1, 1, 199])
  deepEqual(diff.examples, [
    { kind: 'removed', path: 'file 001' },
    { kind: 'changed', path: 'file 002' },
    { kind: 'added', path: 'new' },
  ])
  equal(diff.frameBytes + 16, to.addedBytes, 'exactly what the import added, but for the header of the pack')
  ok(diff.wholeBytes > to.storedBytes && diff.wholeBytes < to.storedBytes + 40_000)
  const anew = await diffVersions({ store, packageKey, from: to, to: from })
  equal(anew.removed, 1)
  ok(anew.frameBytes > 9000)
})
