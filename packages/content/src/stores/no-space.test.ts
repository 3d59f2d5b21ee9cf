/** What happens when the disk is full, on a disk that is: a small tmpfs in a namespace of its own. */
import { equal, ok } from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../testing/full-disk.ts', import.meta.url))
const namespaced = [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=3m none "$1" && exec "$2" "$3" "$1"',
]
const able = spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0
const missing = 'namespaces cannot be made here (unshare --map-root-user --mount)'

test('a full disk is NO_SPACE, leaves nothing behind, and is no obstacle once there is room', {
  skip: able || process.env.CI === 'true' ? false : missing,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-full-'))
  t.after(() => rm(folder, { recursive: true }))
  const output = execFileSync('unshare', [...namespaced, 'sh', folder, process.execPath, script], { encoding: 'utf8' })
  const found = JSON.parse(output) as Record<string, unknown>
  equal(found.put, 'NO_SPACE')
  equal(found.import, 'NO_SPACE')
  equal(found.partial, 0)
  equal(found.staging, 0)
  equal(found.visible, false)
  equal(found.atomic, 'old')
  ok(found.afterwards)
})
