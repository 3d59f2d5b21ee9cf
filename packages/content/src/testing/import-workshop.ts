/** Where tests import: a library in a folder of its own, and a folder to fill. */
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { ContentTarget, PackageId, Result } from '@sluice/protocol'
import { type ImportedVersion, type ImportOptions, importVersion } from '../import/import-version.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import type { Store } from '../stores/store.ts'
import { createMemoryIndex, type MemoryIndex } from './memory-index.ts'
import { restore } from './restore.ts'
import { seededBytes } from './seeded-bytes.ts'
import { value } from './value.ts'

export interface ImportWorkshop {
  /** Everything lies below it. */
  root: string
  /** What is imported unless said otherwise; empty at first. */
  folder: string
  stagingFolder: string
  store: Store
  index: MemoryIndex
  packageKey: Uint8Array
  /** Makes the next version of package ABC00001. */
  run(more?: Partial<ImportOptions>): Promise<Result<ImportedVersion>>
  /** The same, where nothing is refused. */
  import(more?: Partial<ImportOptions>): Promise<ImportedVersion>
  /** Writes a version into a new folder. Throws what the reading side refuses. */
  restore(version: ImportedVersion): Promise<{ folder: string; frameBytes: number; metadataBytes: number }>
}

export async function importWorkshop(t: TestContext, target: ContentTarget = 'linux'): Promise<ImportWorkshop> {
  const root = await mkdtemp(join(tmpdir(), 'sluice-import-'))
  t.after(() => rm(root, { recursive: true, force: true }))
  const folder = join(root, 'folder')
  const stagingFolder = join(root, 'staging')
  for (const each of [folder, stagingFolder]) await mkdir(each)
  const store = await openFolderStore(join(root, 'store'))
  const index = createMemoryIndex()
  const packageKey = seededBytes('package key', 32)
  let salts = 0
  let version = 0
  const run: ImportWorkshop['run'] = (more = {}) =>
    importVersion({
      ...{ folder, packageId: 'ABC00001' as PackageId, version: ++version, target },
      ...{ packageKey, index, store, stagingFolder },
      randomBytes: (size) => seededBytes(`salt ${salts++}`, size),
      ...more,
    })
  return {
    ...{ root, folder, stagingFolder, store, index, packageKey, run },
    import: async (more) => value(await run(more)),
    async restore({ contentId, root: bytes, layout }) {
      const to = await mkdtemp(join(root, 'restored-'))
      const read = await restore({ store, contentId, root: bytes, layout: layout.hash, packageKey, folder: to })
      return { folder: to, ...read }
    },
  }
}

/** Throws where two folders differ in names, bytes or targets of symlinks. */
export const sameBytes = (a: string, b: string) => execFileSync('diff', ['-r', '--no-dereference', a, b])
