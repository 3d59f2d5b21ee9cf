import { deepEqual, equal, ok } from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, symlink, truncate, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { PackageId } from '@sluice/protocol'
import { importVersion } from '../import/import-version.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from '../testing/memory-index.ts'
import { seededBytes } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { manifestOfFolder } from './manifest-of-folder.ts'

test('the manifest of a folder is, byte for byte, that of its import; every change shows', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'manifest-'))
  t.after(() => rm(root, { recursive: true }))
  const folder = join(root, 'folder')
  for (const path of [folder, join(folder, 'empty'), join(folder, 'many'), join(root, 'staging')]) await mkdir(path)
  await writeFile(join(folder, 'run.sh'), 'echo hello\n')
  await chmod(join(folder, 'run.sh'), 0o755)
  await writeFile(join(folder, 'large'), seededBytes('large', 3_000_000))
  await writeFile(join(folder, 'hole'), '')
  await truncate(join(folder, 'hole'), 2_000_000)
  await symlink('run.sh', join(folder, 'link'))
  for (let i = 0; i < 700; i++) await writeFile(join(folder, 'many', `file ${i}`), `content ${i}`)
  const about = { folder, packageId: 'ABC00001' as PackageId, version: 3, target: 'linux' } as const

  const imported = value(
    await importVersion({
      ...about,
      packageKey: seededBytes('key', 32),
      index: createMemoryIndex(),
      store: await openFolderStore(join(root, 'store')),
      stagingFolder: join(root, 'staging'),
      randomBytes: (size) => seededBytes('salt', size),
    }),
  )
  const made = value(await manifestOfFolder(about))
  ok(made.root.equals(imported.root))
  equal(made.listing.length, imported.fileCount)
  ok(made.listing.some((line) => line.startsWith('run.sh  11 bytes, executable  ')))
  ok(made.listing.includes('link  -> run.sh'))
  equal(made.pagePaths.length, (JSON.parse(made.root.toString()) as { pages: unknown[] }).pages.length)

  const before = made.listing
  await writeFile(join(folder, 'many', 'file 7'), 'another')
  const changed = value(await manifestOfFolder(about))
  ok(!changed.root.equals(made.root))
  deepEqual(
    changed.listing.filter((line) => !before.includes(line)).map((line) => line.split('  ')[0]),
    ['many/file 7'],
  )
  await writeFile(join(folder, 'many', 'file 7'), 'content 7')
  await utimes(join(folder, 'many', 'file 7'), 1, 1)
  ok(!value(await manifestOfFolder(about)).root.equals(made.root), 'the time of a file is part of what it is')
  ok(!value(await manifestOfFolder({ ...about, version: 4 })).root.equals(made.root))
})
