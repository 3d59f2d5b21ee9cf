/** The folder in which a content is put together, where that shows more than a whole download does. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type FileEntry, type ManifestPage, sha256 } from '@sluice/content'
import { seededBytes } from '@sluice/content/testing'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { openContentTree } from './content-tree.ts'

const NOBODY = 65534
/** Root may write into every file; an agent on Windows, or another user, may not. */
function asNobody(t: TestContext): void {
  if (process.geteuid?.() !== 0) return
  process.seteuid?.(NOBODY)
  t.after(() => process.seteuid?.(0))
}

const shared = seededBytes('shared', 100_000)
const chunk = { id: sha256(shared), sizeBytes: shared.length }
const file = (path: string): FileEntry => ({
  ...{ kind: 'file', path, modifiedMs: 1_000, executable: false, sizeBytes: chunk.sizeBytes, offset: 0 },
  extents: [{ kind: 'chunk', ...chunk }],
})
const empty = (path: string): FileEntry => ({ ...file(path), sizeBytes: 0, extents: [] }) as FileEntry

test('a chunk is copied from a file that is finished, and so read-only', async (t) => {
  asNobody(t)
  const folder = temporaryFolder(t)
  writeFileSync(join(folder, 'a'), shared)
  const tree = await openContentTree(folder, () => 1)
  t.after(() => tree.close())
  const first: ManifestPage = { entries: [file('a')], chunks: [chunk] }
  assert.equal((await tree.prepare(first, () => false)).foundBytes, shared.length)
  await tree.finishPage(first)
  assert.equal(statSync(join(folder, 'a')).mode & 0o777, 0o444)
  // More files than are kept open.
  const many = Array.from({ length: 50 }, (_, i) => empty(`b${i}`))
  const second: ManifestPage = { entries: [...many, file('c')], chunks: [chunk] }
  const { lacking, present } = await tree.prepare(second, () => false)
  assert.deepEqual([lacking, present], [[], [0]])
  assert.deepEqual(readFileSync(join(folder, 'c')), shared)
  assert.ok(existsSync(join(folder, 'b49')))
})
