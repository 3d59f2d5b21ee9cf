/** What the agent does on a disk that is full. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { onSmallDisk, skipWithoutNamespaces } from '@sluice/content/testing'
import { temporaryFolder } from '../testing/temporary-folder.ts'

const script = fileURLToPath(new URL('./testing/full-disk.ts', import.meta.url))
test('S5: on a full disk the reserve takes what must be recorded; then it is told, and nothing is lost', {
  skip: skipWithoutNamespaces(),
}, (t) => {
  assert.deepEqual(onSmallDisk(script, { folder: temporaryFolder(t), sizeMiB: 4 }), {
    reserved: true,
    spent: true,
    told: true,
    kept: 30_000,
    start: 'NO_SPACE',
    afterwards: 30_000,
    reservedAgain: true,
  })
})
