import { deepEqual, equal } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Extent } from '../manifest/file-entry.ts'
import { sha256 } from '../pack/hash.ts'
import { openMemory } from './memory.ts'

const FILES = 20_000

test('a memory of many files is kept whole, and waiting for the disk leaves nothing behind', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-memory-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'memory')
  const warnings: Error[] = []
  const onWarning = (warning: Error) => void warnings.push(warning)
  process.on('warning', onWarning)
  t.after(() => process.off('warning', onWarning))

  const files = Array.from({ length: FILES }, (_, i) => ({
    kind: 'file' as const,
    path: `folder/${String(i).padStart(5, '0')}`,
    modifiedMs: 0,
    sizeBytes: i,
    executable: false,
    stamp: `1.${i.toString(36)}.0.0`,
  }))
  const extents = (i: number): Extent[] => [{ kind: 'chunk', id: sha256(Buffer.from(String(i))), sizeBytes: i }]
  const written = openMemory(path, { beganMs: 10_000, readAll: true })
  for (const [i, file] of files.entries()) await written.remember(file, extents(i))
  await written.keep()
  await written.close()

  const read = openMemory(path, { beganMs: 10_000, readAll: false })
  for (const [i, file] of files.entries()) deepEqual(await read.recall(file), extents(i))
  await read.close()
  equal(warnings.length, 0)
})
