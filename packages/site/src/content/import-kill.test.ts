import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { openFolderStore } from '@sluice/content'
import { restore, seededBytes, seededNumbers } from '@sluice/content/testing'
import { onEveryDatabase } from '../db/testing.ts'
import type { ImportProcess } from './testing/import-process.ts'

const KILLS = process.env.SLUICE_SOAK === '1' ? 40 : 3
const MiB = 1024 * 1024
const script = fileURLToPath(new URL('./testing/import-process.ts', import.meta.url))

/** Runs the process; kills it a while after it started, or lets it end. Gives its last line. */
async function runImport(argument: ImportProcess, killAfterMs: number | undefined): Promise<string> {
  const child = spawn(process.execPath, [script, JSON.stringify(argument)], { stdio: ['ignore', 'pipe', 'ignore'] })
  const closed = once(child, 'close')
  let last = ''
  for await (const line of createInterface(child.stdout)) {
    last = line
    if (killAfterMs !== undefined && line === 'started') setTimeout(() => child.kill('SIGKILL'), killAfterMs)
  }
  await closed
  return last
}

onEveryDatabase('an import that is killed again and again ends as one whole version', async (db, location) => {
  const folder = await mkdtemp(join(tmpdir(), 'site-kill-'))
  try {
    const source = join(folder, 'source')
    await mkdir(source)
    for (let i = 0; i < 4; i++) await writeFile(join(source, `big ${i}`), seededBytes(`big ${i}`, 3 * MiB))
    for (let i = 0; i < 200; i++) await writeFile(join(source, `small ${i}`), seededBytes(`small ${i}`, i * 50))

    const number = seededNumbers(`kill ${location.kind}`)
    let begun = false
    let done = false
    for (let kill = 0; !done; kill++) {
      const last = await runImport(
        { location, folder, aheadMs: kill * 120_000, ...(begun ? {} : { source }) },
        kill < KILLS ? number(250) : undefined,
      )
      begun ||= last !== ''
      done = last === 'done'
      assert.ok(done || kill < KILLS, 'the last one is not killed')
    }

    assert.deepEqual(
      await db
        .selectFrom('jobs')
        .select(['state', 'version', 'done_bytes'])
        .execute()
        .then((rows) => rows.map((row) => ({ ...row }))),
      [{ state: 'succeeded', version: 1, done_bytes: 12 * MiB + (199 * 200 * 50) / 2 }],
    )
    const released = (await readdir(folder)).filter((name) => name.startsWith('released'))
    assert.equal(released.length, 1, 'every try released the same bytes')
    assert.deepEqual(await readdir(join(folder, 'staging')), [])

    const version = await db
      .selectFrom('package_versions as version')
      .innerJoin('packages', 'packages.id', 'version.package_id')
      .select(['root', 'content_id', 'layout_hash', 'package_key', 'packages.version'])
      .executeTakeFirstOrThrow()
    assert.equal(version.version, 1)
    const store = await openFolderStore(join(folder, 'store'))
    const restored = join(folder, 'restored')
    await mkdir(restored)
    await restore({
      store,
      contentId: version.content_id,
      root: version.root,
      layout: version.layout_hash,
      packageKey: version.package_key,
      folder: restored,
    })
    execFileSync('diff', ['-r', source, restored])
  } finally {
    await rm(folder, { recursive: true })
  }
})
