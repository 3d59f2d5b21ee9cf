import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { lockName, takeLock } from './folder-lock.ts'

for (const platform of ['linux', 'darwin'] as const)
  test(`one at a time, and a killed holder holds nothing (names of ${platform})`, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-lock-'))
    try {
      const name = lockName(folder, platform)
      const mine = await takeLock(name)
      assert.ok(mine)
      assert.equal(await takeLock(name), undefined)
      await mine.release()

      const holder = spawn(
        process.execPath,
        ['-e', `require('node:net').createServer().listen(${JSON.stringify(name)}, () => console.log('held'))`],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      )
      await once(holder.stdout, 'data')
      assert.equal(await takeLock(name), undefined)
      holder.kill('SIGKILL')
      await once(holder, 'close')
      const again = await takeLock(name)
      assert.ok(again)
      await again.release()
    } finally {
      await rm(folder, { recursive: true })
    }
  })

test('folders have names of their own', () => {
  assert.notEqual(lockName('/a'), lockName('/b'))
})
