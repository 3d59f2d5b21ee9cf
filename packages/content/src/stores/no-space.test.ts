/** What happens when the disk is full, on a disk that is. */
import { equal, ok } from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { onSmallDisk, skipWithoutNamespaces } from '../testing/small-disk.ts'

const script = fileURLToPath(new URL('../testing/full-disk.ts', import.meta.url))
test('a full disk is NO_SPACE, leaves nothing behind, and is no obstacle once there is room', {
  skip: skipWithoutNamespaces(),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-full-'))
  t.after(() => rm(folder, { recursive: true }))
  const found = onSmallDisk(script, { folder, sizeMiB: 3 }) as Record<string, unknown>
  equal(found.put, 'NO_SPACE')
  equal(found.import, 'NO_SPACE')
  equal(found.partial, 0)
  equal(found.staging, 0)
  equal(found.visible, false)
  equal(found.atomic, 'old')
  ok(found.afterwards)
})
