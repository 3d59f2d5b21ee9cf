import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { testSite } from '../testing/site.ts'

const { at, as, text, json } = await testSite('refresh')

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
  const [childFile, parentFile] = [at('clean.yaml'), at('upgrade.yaml')]
  await writeFile(childFile, child('one'))
  const { id } = await json<{ id: string }>('sequence', 'apply', childFile)
  await writeFile(parentFile, parent(id))
  await text('sequence', 'apply', parentFile)
  assert.match(await text('sequence', 'refresh', 'Upgrade'), /^Nothing is out of date\.\n$/)

  await writeFile(childFile, child('two'))
  await text('sequence', 'apply', childFile)
  const shown = await text('sequence', 'show', 'Upgrade')
  assert.match(shown, /\nRuns: +Clean up: revision 1; 2 is the newest\n/)
  assert.match(shown, /\nWhat it runs has changed: sluice sequence refresh seq_/)
  assert.match(await text('sequence', 'list'), /runs an older child +Upgrade\n/)

  // The file that comes back is what was applied: it runs the other one, and does not hold its steps.
  const again = at('again.yaml')
  await writeFile(again, await text('sequence', 'show', 'Upgrade', '--yaml'))
  assert.match(await text('sequence', 'diff', again, parentFile), /Nothing changed\./)
  assert.match(await text('sequence', 'diff', 'Upgrade', parentFile), /Nothing changed\./)

  const refreshed = await text('sequence', 'refresh', '--parents-of', 'Clean up')
  assert.equal(refreshed, 'Upgrade has revision 2 now (released).\n')
  assert.match(await text('sequence', 'diff', 'Upgrade@1', 'Upgrade'), /- one\n {2}\+ two\n/)
  assert.doesNotMatch(await text('sequence', 'show', 'Upgrade'), /has changed|newest/)
  assert.equal((await as(['sequence', 'refresh', 'Upgrade', '--parents-of', 'Clean up'])).code, 1)
})
