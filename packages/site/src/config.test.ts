import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { readSiteConfig } from './config.ts'

const folder = await mkdtemp(join(tmpdir(), 'config-'))
after(() => rm(folder, { recursive: true }))
const file = join(folder, 'site.json')

test('little has to be said', async () => {
  await writeFile(file, JSON.stringify({ dataFolder: '/var/lib/sluice' }))
  const config = await readSiteConfig(file)
  assert.deepEqual(config, {
    ok: true,
    value: {
      dataFolder: '/var/lib/sluice',
      name: 'Sluice',
      siteCode: 'SLU',
      admin: { host: '127.0.0.1', port: 8443 },
      database: { kind: 'sqlite' },
    },
  })
})

test('every fault is named with its field and the file', async () => {
  const faults = { name: '', admin: { port: 70_000, hots: 'x' }, database: { kind: 'oracle' } }
  await writeFile(file, JSON.stringify(faults))
  const config = await readSiteConfig(file)
  assert.ok(!config.ok)
  assert.equal(config.problem.code, 'CONFIGURATION_INVALID')
  assert.ok(config.problem.detail.startsWith(file))
  assert.deepEqual(
    config.problem.errors?.map((error) => error.path),
    ['dataFolder', 'name', 'admin.port', 'admin', 'database.kind'],
  )
})

test('a file that is not there or no JSON is a fault like others', async () => {
  await writeFile(file, '{ dataFolder: }')
  for (const path of [file, join(folder, 'nowhere.json')]) {
    const config = await readSiteConfig(path)
    assert.ok(!config.ok)
    assert.equal(config.problem.code, 'CONFIGURATION_INVALID')
  }
})

test('a relative data folder counts from the folder of the file', async () => {
  await writeFile(file, JSON.stringify({ dataFolder: 'data' }))
  const config = await readSiteConfig(file)
  assert.equal(config.ok && config.value.dataFolder, join(folder, 'data'))
})
