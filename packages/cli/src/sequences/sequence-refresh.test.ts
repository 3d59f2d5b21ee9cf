import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { sluice } from '../testing/command.ts'
import { startServer } from '../testing/server.ts'

const folder = await mkdtemp(join(tmpdir(), 'sluice-refresh-'))
after(() => rm(folder, { recursive: true }))

const child = (note: string): string => `format: sluice-sequence/1
name: Clean up
steps:
  - { type: setVariable, name: Note, variable: Noted, value: ${note} }
`
const parent = (id: string): string => `format: sluice-sequence/1
name: Upgrade
steps:
  - { type: runTaskSequence, name: Clean first, sequence: ${id} }
`

test('a changed child is told, and what runs it is refreshed by one command', async () => {
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
  const [childFile, parentFile] = [join(folder, 'clean.yaml'), join(folder, 'upgrade.yaml')]
  await writeFile(childFile, child('one'))
  const { id } = (await done('--json', 'sequence', 'apply', childFile)).json as { id: string }
  await writeFile(parentFile, parent(id))
  await done('sequence', 'apply', parentFile)
  assert.match((await done('sequence', 'refresh', 'Upgrade')).stdout, /^Nothing is out of date\.\n$/)

  await writeFile(childFile, child('two'))
  await done('sequence', 'apply', childFile)
  const { stdout } = await done('sequence', 'show', 'Upgrade')
  assert.match(stdout, /\nRuns: +Clean up: revision 1; 2 is the newest\n/)
  assert.match(stdout, /\nWhat it runs has changed: sluice sequence refresh seq_/)
  assert.match((await done('sequence', 'list')).stdout, /runs an older child +Upgrade\n/)

  // The file that comes back is what was applied: it runs the other one, and does not hold its steps.
  const again = join(folder, 'again.yaml')
  await writeFile(again, (await done('sequence', 'show', 'Upgrade', '--yaml')).stdout)
  assert.match((await done('sequence', 'diff', again, parentFile)).stdout, /Nothing changed\./)
  assert.match((await done('sequence', 'diff', 'Upgrade', parentFile)).stdout, /Nothing changed\./)

  const refreshed = await done('sequence', 'refresh', '--parents-of', 'Clean up')
  assert.equal(refreshed.stdout, 'Upgrade has revision 2 now (released).\n')
  assert.match((await done('sequence', 'diff', 'Upgrade@1', 'Upgrade')).stdout, /- one\n {2}\+ two\n/)
  assert.doesNotMatch((await done('sequence', 'show', 'Upgrade')).stdout, /has changed|newest/)
  assert.equal((await sluice(['sequence', 'refresh', 'Upgrade', '--parents-of', 'Clean up', ...at])).code, 1)
})
