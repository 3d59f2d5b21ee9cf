import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sluice } from '../testing/command.ts'
import { startServer } from '../testing/server.ts'

const folder = await mkdtemp(join(tmpdir(), 'sluice-lint-'))
after(() => rm(folder, { recursive: true }))
const file = join(folder, 'x.yaml')
const facts = join(folder, 'facts.json')
await writeFile(
  file,
  `format: sluice-sequence/1
name: X
steps:
  - { type: runCommandLine, name: A, package: ABC00001, commandLine: "true" }
  - { type: setVariable, name: B, variable: X, value: y, condition: { variable: _SMSTSModel, operator: like, value: "Other*" } }
  - { type: restartComputer, name: C }
`,
)
const device = {
  ...{ hostname: 'pc', platform: 'linux', architecture: 'x64', manufacturer: 'M', model: 'Meridian', serialNumber: '' },
  ...{ os: { id: 'x', name: 'X', version: '1' }, memoryBytes: 1, processorMHz: 1 },
}

test('sequence lint needs no site and tells findings with their places', async () => {
  const { code, stdout } = await sluice(['sequence', 'lint', file])
  assert.equal(code, 0)
  assert.deepEqual(stdout.split('\n'), [
    `Warning: ${file}:6:5: steps[2]: nothing runs behind this restart, so nobody sees whether the device came back well`,
    `${file}: 1 warnings, 0 notes.`,
    '',
  ])
  const { json } = await sluice(['--json', 'sequence', 'lint', file])
  assert.equal((json as { findings: unknown[] }).findings.length, 1)
})

test('sequence preview needs no site and tells what would run', async () => {
  await writeFile(facts, JSON.stringify(device))
  const { code, stdout } = await sluice(['sequence', 'preview', file, '--device', facts])
  assert.equal(code, 0)
  assert.deepEqual(stdout.split('\n'), [
    'RUNS  STEP  FETCHES   WHY NOT',
    'yes   A     ABC00001',
    'no    B               _SMSTSModel is "Meridian", must be like "Other*": no',
    'yes   C',
    '',
    '2 of 3 steps run, with 1 restarts.',
    'Content: ABC00001.',
    'The run succeeds.',
    'Assumed: every command and upgrade succeeds, prints nothing and sets no variable.',
    'Assumed: the device has none of this content yet.',
    '',
  ])
  await writeFile(facts, JSON.stringify({ ...device, memoryBytes: 'much' }))
  const wrong = await sluice(['sequence', 'preview', file, '--device', facts])
  assert.equal(wrong.code, 1)
  assert.match(wrong.stderr, /facts\.json: memoryBytes: /)
})

test('with --references the site says which packages are missing', async () => {
  const config = join(folder, 'site.json')
  const admin = { host: '127.0.0.1', port: 0 }
  await writeFile(config, JSON.stringify({ dataFolder: join(folder, 'site'), name: 'Test', admin }))
  await using site = await startServer('site', config)
  const connection = String(site.ready.connectionFile)
  const { code, stdout, stderr } = await sluice(['sequence', 'lint', file, '--references', '--connection', connection])
  assert.equal(code, 0, stderr)
  assert.ok(stdout.includes(`Warning: ${file}:4:47: steps[0].package: there is no package ABC00001\n`), stdout)
})
