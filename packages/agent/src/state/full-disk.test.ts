/** A disk that is really full: a small tmpfs in a namespace of its own. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { temporaryFolder } from '../testing/temporary-folder.ts'

const script = fileURLToPath(new URL('./testing/full-disk.ts', import.meta.url))
const mounted = [
  '--map-root-user',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs -o size=4m none "$1" && exec "$2" "$3" "$1"',
  'sh',
]
const able = spawnSync('unshare', ['--map-root-user', '--mount', 'true']).status === 0
const missing = 'namespaces cannot be made here (unshare --map-root-user --mount)'

test('S5: on a full disk the reserve takes what must be recorded; then it is told, and nothing is lost', {
  skip: able || process.env.CI === 'true' ? false : missing,
}, (t) => {
  const output = execFileSync('unshare', [...mounted, temporaryFolder(t), process.execPath, script], {
    encoding: 'utf8',
  })
  assert.deepEqual(JSON.parse(output), {
    reserved: true,
    spent: true,
    told: true,
    kept: 30_000,
    start: 'NO_SPACE',
    afterwards: 30_000,
    reservedAgain: true,
  })
})
