import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { test } from 'node:test'
import { loadConfig } from './config.ts'
import { temporaryFolder } from './testing/temporary-folder.ts'

const least = { stateFolder: 'state', enrolmentBundle: '../bundle.json' }

test('defaults are those of a real device, and paths are relative to the file', async (t) => {
  const path = join(temporaryFolder(t), 'agent.json')
  writeFileSync(path, JSON.stringify(least))
  const config = await loadConfig(path)
  assert.ok(config.ok)
  assert.equal(config.value.stateFolder, join(path, '../state'))
  assert.equal(config.value.enrolmentBundle, join(path, '../../bundle.json'))
  assert.equal(config.value.osRoot, resolve('/'))
  assert.deepEqual(config.value.softwareCenter, { host: '127.0.0.1', port: 0 })
  assert.equal(config.value.restart.kind, 'command')
  assert.match(config.value.consoleFolder, /packages[\\/]console[\\/]dist$/)
})

test('every fault is named with its field; nothing unknown is taken', async (t) => {
  const path = join(temporaryFolder(t), 'agent.json')
  for (const [document, fault] of [
    [{ ...least, colour: 'blue' }, /colour/],
    [{ ...least, stateFolder: '' }, /stateFolder/],
    [{ ...least, softwareCenter: { host: '0.0.0.0' } }, /softwareCenter\.host/],
    [{ ...least, restart: { kind: 'exit', code: 0 } }, /restart\.code/],
    [{ ...least, facts: { shoeSize: 46 } }, /facts/],
    [{}, /stateFolder.*enrolmentBundle/],
  ] as const) {
    writeFileSync(path, JSON.stringify(document))
    const config = await loadConfig(path)
    assert.ok(!config.ok)
    assert.equal(config.problem.code, 'CONFIGURATION_INVALID')
    assert.match(config.problem.detail, fault)
    assert.ok(config.problem.detail.startsWith(path))
  }
  writeFileSync(path, '{')
  assert.equal((await loadConfig(path)).ok, false)
  assert.equal((await loadConfig(join(path, 'none'))).ok, false)
})
