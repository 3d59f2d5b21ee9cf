import { deepEqual, equal, rejects } from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeFileAtomic } from './atomic-file.ts'

test('a file is replaced whole and is private', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-atomic-'))
  t.after(() => rm(folder, { recursive: true }))
  const path = join(folder, 'state.json')
  await writeFileAtomic(path, 'old')
  await Promise.all([writeFileAtomic(path, 'new'), writeFileAtomic(path, 'new')])
  equal(await readFile(path, 'utf8'), 'new')
  equal((await stat(path)).mode & 0o777, 0o600)
  deepEqual(await readdir(folder), ['state.json'])
})

test('a write that fails leaves the old file and no temp file', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-atomic-'))
  t.after(() => rm(folder, { recursive: true }))
  await mkdir(join(folder, 'in-the-way'))
  await rejects(writeFileAtomic(join(folder, 'in-the-way'), 'a folder cannot be replaced'))
  await rejects(writeFileAtomic(join(folder, 'missing', 'file'), 'no such folder'))
  deepEqual(await readdir(folder), ['in-the-way'])
})
