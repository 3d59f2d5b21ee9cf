/** Lint over real sequences of other people: what it tells must be worth reading. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { lintSequence } from '../lint.ts'
import { parseSequence } from '../parse.ts'
import { writeSequenceFile } from '../write-file.ts'
import { importSequences } from './import.ts'

const folder = new URL('../../../../../shared/samples/task-sequences/', import.meta.url)
const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.xml')) : []
const skip = files.length > 0 || process.env.CI === 'true' ? false : 'the sample sequences are not there'

/** Everything but what the import says already (which steps do not run), and what only a site can tell. */
function linted(file: string): string[] {
  const text = readFileSync(new URL(encodeURIComponent(file), folder), 'utf8')
  return importSequences({ documents: [{ file, text, name: file }] }).sequences.flatMap(({ sequence }) => {
    const parsed = parseSequence({ file, text: writeSequenceFile(sequence) })
    assert.ok(parsed.ok, parsed.ok ? '' : `${file}: ${parsed.problem.detail}`)
    return lintSequence(parsed.value)
      .filter(({ level, message }) => level === 'warning' && !message.startsWith('does not run'))
      .map(({ message }) => message)
  })
}

test('real sequences: what never holds asks for Windows PE, and no secret is left in any', { skip }, () => {
  const all = files.flatMap(linted)
  assert.equal(all.filter((message) => message.startsWith('never holds')).length, 5)
  assert.equal(all.filter((message) => message.includes('looks like a secret')).length, 0)
  assert.equal(all.filter((message) => message.startsWith('nothing runs behind')).length, 2)
})
