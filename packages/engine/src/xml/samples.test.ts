/** Real sequences of other people; they lie beside the repository, and nothing of them is in it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parseSequence } from '../sequence/parse.ts'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { exportSequence } from './export-sequence.ts'
import { type ImportedSequence, importSequences } from './import.ts'
import { walk } from './testing/independent-walk.ts'

const folder = new URL('../../../../../shared/samples/task-sequences/', import.meta.url)
const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith('.xml')) : []
// On the build machine they must be there.
const skip = files.length > 0 || process.env.CI === 'true' ? false : 'the sample sequences are not there'

const imported = (file: string, text: string): ImportedSequence => {
  const { sequences, problems } = importSequences({ documents: [{ file, text, name: file }] })
  const [first] = sequences
  assert.ok(
    first !== undefined && sequences.length === 1,
    `${file}: ${problems.map(({ message }) => message).join('; ')}`,
  )
  return first
}

test('real sequences: there are 28 as XML', { skip }, () => {
  assert.equal(files.length, 28)
})

for (const file of files)
  test(`real sequences: ${file} keeps everything, in XML and as a file`, () => {
    const text = readFileSync(new URL(encodeURIComponent(file), folder), 'utf8')
    const { sequence, runnable: _, obstacles: __, name: ___, ...told } = imported(file, text)
    const { values, ...expected } = walk(text)
    assert.deepEqual(told, expected)

    const written = exportSequence(sequence)
    assert.deepEqual(written.lost, [])
    const again = walk(written.text)
    assert.deepEqual(again.instructions, expected.instructions)
    assert.deepEqual(again.values, values, 'every variable with its name, property, visibility and value')
    assert.deepEqual(imported(file, written.text).sequence, sequence)

    const parsed = parseSequence({ file: 'x.yaml', text: writeSequenceFile(sequence) })
    assert.deepEqual(parsed.ok ? parsed.value.sequence : parsed.problem, sequence)
  })
