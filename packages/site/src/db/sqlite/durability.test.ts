import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { openDatabase } from '../database.ts'

const writer = fileURLToPath(new URL('../testing/writer.ts', import.meta.url))

test('kill -9 of the writer loses no acknowledged commit and leaves no half one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'site-db-'))
  try {
    for (const killAfter of [1, 20, 57]) {
      const path = join(folder, `${killAfter}.db`)
      const child = spawn(process.execPath, [writer, path], { stdio: ['ignore', 'pipe', 'inherit'] })
      const ended = once(child, 'exit')
      let acknowledged = 0
      for await (const line of createInterface(child.stdout)) {
        acknowledged = Number(line)
        if (acknowledged === killAfter) child.kill('SIGKILL')
      }
      await ended
      const opened = await openDatabase({ kind: 'sqlite', path })
      assert.ok(opened.ok)
      const rows = await opened.value.selectFrom('counters').select('name').execute()
      const found = rows.length / 2
      assert.ok(acknowledged >= killAfter)
      assert.ok(found === acknowledged || found === acknowledged + 1, `${acknowledged} acknowledged, ${found} found`)
      await opened.value.destroy()
    }
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('only the owner can read the file, its log and its shared memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'site-db-'))
  try {
    const path = join(folder, 'site.db')
    const opened = await openDatabase({ kind: 'sqlite', path })
    assert.ok(opened.ok)
    for (const suffix of ['', '-wal', '-shm']) assert.equal((await stat(path + suffix)).mode & 0o777, 0o600)
    await opened.value.destroy()
  } finally {
    await rm(folder, { recursive: true })
  }
})

test('a file that is no database is a failure at opening, and the thread ends', async () => {
  const opened = openDatabase({ kind: 'sqlite', path: fileURLToPath(import.meta.url) })
  await assert.rejects(opened, /not a database/)
})
