import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { openDemoFolder } from './demo-folder.ts'

const inFolder = (name: string, body: (folder: string) => Promise<void>) =>
  test(name, async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sluice-demo-'))
    try {
      await body(folder)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

const code = (wanted: string) => (error: unknown) => {
  assert.ok(error instanceof ProblemError)
  assert.equal(error.problem.code, wanted)
  return true
}

inFolder('a finished demo goes on; --fresh begins anew', async (folder) => {
  const first = await openDemoFolder(folder, { fresh: false, neededBytes: 1 })
  assert.equal(first.complete, false)
  await writeFile(join(folder, 'thing'), '')
  await first.markComplete({ admin: 1, device: 2, enrolment: 3, link: 4, softwareCenter: 5 })
  assert.equal((await openDemoFolder(folder, { fresh: false, neededBytes: 1 })).complete, true)
  assert.ok((await readdir(folder)).includes('thing'))
  assert.equal((await openDemoFolder(folder, { fresh: true, neededBytes: 1 })).complete, false)
  assert.ok(!(await readdir(folder)).includes('thing'))
})

inFolder('an unfinished set-up is cleared away', async (folder) => {
  await openDemoFolder(folder, { fresh: false, neededBytes: 1 })
  await writeFile(join(folder, 'half'), '')
  await openDemoFolder(folder, { fresh: false, neededBytes: 1 })
  assert.ok(!(await readdir(folder)).includes('half'))
})

inFolder('a folder of a newer version is left alone', async (folder) => {
  await writeFile(join(folder, 'demo.json'), JSON.stringify({ format: 'sluice-demo', v: 2 }))
  await writeFile(join(folder, 'precious'), '')
  await assert.rejects(openDemoFolder(folder, { fresh: true, neededBytes: 1 }), code('DATA_TOO_NEW'))
  assert.ok((await readdir(folder)).includes('precious'))
})

inFolder('a folder with other things is never emptied', async (folder) => {
  await writeFile(join(folder, 'thesis.txt'), '')
  await assert.rejects(openDemoFolder(folder, { fresh: true, neededBytes: 1 }), code('CONFIGURATION_INVALID'))
  assert.deepEqual(await readdir(folder), ['thesis.txt'])
})

inFolder('too little space: how much is needed and how much there is', async (folder) => {
  await assert.rejects(openDemoFolder(folder, { fresh: false, neededBytes: 2 ** 60 }), code('NO_SPACE'))
})
