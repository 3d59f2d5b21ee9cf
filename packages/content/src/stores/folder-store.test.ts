import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { sha256 } from '../pack/hash.ts'
import { storeContract } from '../testing/store-contract.ts'
import { openFolderStore } from './folder-store.ts'

storeContract('folder store', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
  return { store: await openFolderStore(folder), close: () => rm(folder, { recursive: true }) }
})

test('opening removes what a killed process left, and nothing else', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
  t.after(() => rm(folder, { recursive: true }))
  const bytes = Buffer.from('kept')
  const before = await openFolderStore(folder)
  ok((await before.put({ kind: 'page', hash: sha256(bytes) }, bytes)).ok)
  await mkdir(join(folder, 'partial'), { recursive: true })
  await writeFile(join(folder, 'partial', 'half-a-pack'), 'half')

  const after = await openFolderStore(folder)
  deepEqual(await readdir(join(folder, 'partial')), [])
  ok(await after.has({ kind: 'page', hash: sha256(bytes) }))
})

test('an object lies at packs/<2 hex>/<hash>', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-store-'))
  t.after(() => rm(folder, { recursive: true }))
  const bytes = Buffer.from('here')
  const hash = sha256(bytes)
  const store = await openFolderStore(folder)
  ok((await store.put({ kind: 'pack', hash }, bytes)).ok)
  deepEqual(await readdir(join(folder, 'packs', hash.slice(0, 2))), [hash])

  const opened = await store.openFile({ kind: 'pack', hash })
  ok(opened.ok)
  equal(opened.value.sizeBytes, bytes.length)
  await opened.value.file.close()
})
