import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sluice } from '../testing/command.ts'
import { startServer } from '../testing/server.ts'

const folder = await mkdtemp(join(tmpdir(), 'sluice-show-'))
after(() => rm(folder, { recursive: true }))
const file = join(folder, 'up.yaml')
const facts = join(folder, 'facts.json')
const text = (command: string): string => `format: sluice-sequence/1
name: Up
inputs:
  - { variable: Language, pattern: de|sv, default: sv }
steps:
  - type: group
    name: Drivers
    condition: { variable: _SMSTSModel, operator: like, value: "Meridian*" }
    steps:
      - { type: runCommandLine, name: Install, package: ABC00001, commandLine: ${command}, continueOnError: true }
finally:
  - { type: setVariable, name: Note, variable: X, value: y }
`
await writeFile(file, text('setup'))
await writeFile(
  facts,
  JSON.stringify({
    ...{ hostname: 'pc', platform: 'linux', architecture: 'x64', manufacturer: 'M', model: 'Meridian 1' },
    ...{ serialNumber: '', os: { id: 'x', name: 'X', version: '1' }, memoryBytes: 1, processorMHz: 1 },
  }),
)

test('a file is shown as a tree, and as a file again', async () => {
  const { code, stdout } = await sluice(['sequence', 'show', file])
  assert.equal(code, 0)
  assert.deepEqual(stdout.split('\n'), [
    ...['Name: Up', '', 'input Language, like de|sv, else "sv"', '+ Drivers', '    if _SMSTSModel is like "Meridian*"'],
    ...['  - Install: runCommandLine [goes on after an error]', '      commandLine: setup', '      package: ABC00001'],
    ...['at every end:', '  - Note: setVariable', '      variable: X', '      value: y', ''],
  ])
  const again = join(folder, 'again.yaml')
  await writeFile(again, (await sluice(['sequence', 'show', file, '--yaml'])).stdout)
  assert.match((await sluice(['sequence', 'diff', file, again])).stdout, /Nothing changed\./)
})

test('revisions at the site are shown and compared, with files and with each other, and previewed with their bytes', async () => {
  const config = join(folder, 'site.json')
  const admin = { host: '127.0.0.1', port: 0 }
  await writeFile(config, JSON.stringify({ dataFolder: join(folder, 'site'), name: 'Test', admin }))
  await using site = await startServer('site', config)
  const at = ['--connection', String(site.ready.connectionFile)]
  const done = async (...args: string[]) => {
    const result = await sluice([...args, ...at])
    assert.equal(result.code, 0, result.stderr)
    return result
  }
  const content = join(folder, 'content')
  await mkdir(content)
  await writeFile(join(content, 'setup'), 'x'.repeat(2_500))
  await done('package', 'import', content, '--name', 'Drivers', '--id', 'ABC00001', '--target', 'linux')
  await done('sequence', 'apply', file)
  await writeFile(file, text('other'))
  await done('sequence', 'apply', file)

  const shown = await done('--json', 'sequence', 'show', 'Up', '--revision', '1')
  const { revision, newest, sequence } = shown.json as { revision: number; newest: number; sequence: { name: string } }
  assert.deepEqual([revision, newest, sequence.name], [1, 2, 'Up'])
  assert.match((await done('sequence', 'show', 'Up')).stdout, /Revision: +2 of 2\n/)

  const changed = ['changed steps[0].steps[0] Install (runCommandLine)', '  commandLine:', '  - setup', '  + other', '']
  assert.deepEqual((await done('sequence', 'diff', 'Up@1', 'Up')).stdout.split('\n').slice(2), changed)
  assert.deepEqual((await done('sequence', 'diff', 'Up@1', file)).stdout.split('\n').slice(2), changed)

  const { stdout } = await done('sequence', 'preview', 'Up@1', '--device', facts)
  assert.match(stdout, /\nContent: ABC00001: 2\.5 kB\.\n/)
  assert.match(stdout, /\nyes +Note \(at the end\)\n/)
  const json = (await done('--json', 'sequence', 'preview', file, '--device', facts, '--bytes')).json
  assert.deepEqual((json as { bytes: unknown }).bytes, { leastBytes: 2_500, mostBytes: 2_500, unknown: [] })
  for (const [args, told] of [
    [['show', 'Up@9'], /has the revisions 1 to 2/],
    [['show', 'Nobody'], /NOT_FOUND/],
    [['preview', file, '--device', 'nobody'], /There is no device nobody/],
  ] as const) {
    const refused = await sluice(['sequence', ...args, ...at])
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, told)
  }
})
