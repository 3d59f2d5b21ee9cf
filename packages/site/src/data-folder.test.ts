import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { openDataFolder } from './data-folder.ts'

const inUse = (error: unknown) => error instanceof ProblemError && error.problem.code === 'DATA_FOLDER_IN_USE'

test('a data folder belongs to one process, and is free again when that one was killed (REL-23)', async () => {
  const parent = await mkdtemp(join(tmpdir(), 'folder-'))
  const path = join(parent, 'made', 'on the way')
  const holder = spawn(
    process.execPath,
    [
      '--input-type=module',
      '-e',
      `import { openDataFolder } from ${JSON.stringify(new URL('./data-folder.ts', import.meta.url).href)}
       openDataFolder(process.argv[1]); console.log('mine'); setInterval(() => {}, 1e6)`,
      path,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    await once(holder.stdout, 'data')
    assert.throws(() => openDataFolder(path), inUse)
    const killed = once(holder, 'exit')
    holder.kill('SIGKILL')
    await killed
    const folder = openDataFolder(path)
    assert.throws(() => openDataFolder(path), inUse)
    assert.equal((await stat(path)).mode & 0o777, 0o700)
    folder.release()
    openDataFolder(path).release()
  } finally {
    holder.kill('SIGKILL')
    await rm(parent, { recursive: true })
  }
})
