/** Fills the disk under the folder of its argument and prints what happened, as JSON. Run on a small tmpfs. */
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PackageId, Result } from '@sluice/protocol'
import { importVersion } from '../import/import-version.ts'
import { sha256 } from '../pack/hash.ts'
import { writeFileAtomic } from '../stores/atomic-file.ts'
import { openFolderStore } from '../stores/folder-store.ts'
import { createMemoryIndex } from './memory-index.ts'
import { seededBytes } from './seeded-bytes.ts'

const outcome = (result: Result<unknown>) => (result.ok ? 'done' : result.problem.code)

if (import.meta.main) {
  const folder = process.argv[2] ?? ''
  const at = (name: string) => join(folder, name)
  for (const name of ['source', 'staging']) await mkdir(at(name))
  await writeFile(at('source/file'), seededBytes('source', 1024 * 1024))
  await writeFileAtomic(at('state'), 'old')
  const store = await openFolderStore(at('store'))
  const large = seededBytes('large', 4 * 1024 * 1024)
  const name = { kind: 'pack', hash: sha256(large) } as const
  const put = outcome(await store.put(name, large))
  const visible = await store.has(name)

  await writeFile(at('filler'), Buffer.alloc(8 * 1024 * 1024)).catch(() => undefined)
  const atomic = await writeFileAtomic(at('state'), Buffer.alloc(1024 * 1024)).then(
    () => 'new',
    () => readFile(at('state'), 'utf8'),
  )
  const bring = () =>
    importVersion({
      folder: at('source'),
      packageId: 'ABC00001' as PackageId,
      version: 1,
      target: 'linux',
      packageKey: seededBytes('key', 32),
      index: createMemoryIndex(),
      store,
      stagingFolder: at('staging'),
      randomBytes: (size) => seededBytes('salt', size),
    })
  const imported = outcome(await bring())
  const staging = (await readdir(at('staging'))).length
  const partial = (await readdir(at('store/partial'))).length
  await rm(at('filler'))
  // The pack and its copy in the scratch folder do not fit beside the source: make room for both.
  await rm(at('state'))
  await writeFile(at('source/file'), seededBytes('source', 700 * 1024))
  const afterwards = (await bring()).ok
  console.log(JSON.stringify({ put, visible, atomic, import: imported, staging, partial, afterwards }))
}
