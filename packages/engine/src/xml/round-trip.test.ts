import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseSequence } from '../sequence/parse.ts'
import { writeSequenceFile } from '../sequence/write-file.ts'
import { exportSequence } from './export-sequence.ts'
import { importSequences } from './import.ts'
import { anyNative } from './testing/any-native.ts'
import { anyXml } from './testing/any-xml.ts'
import { walk } from './testing/independent-walk.ts'

const seed = 20260131

function imported(text: string): ReturnType<typeof importSequences>['sequences'][number] {
  const { sequences, problems } = importSequences({ documents: [{ file: 'x.xml', text, name: 'x' }] })
  const [first] = sequences
  assert.ok(first !== undefined, problems.map(({ message }) => message).join('; '))
  return first
}

test('any XML of the grammar: nothing is lost, and what is written reads back as the same', () => {
  fc.assert(
    fc.property(anyXml, (text) => {
      const first = imported(text)
      const { instructions, values: _, ...counts } = walk(text)
      const { name: __, sequence, runnable: ___, obstacles: ____, instructions: told, ...found } = first
      assert.deepEqual(found, counts)
      assert.equal(told.length, instructions.length)
      const written = exportSequence(sequence).text
      assert.deepEqual(imported(written).sequence, sequence)
      assert.equal(exportSequence(imported(written).sequence).text, written)
    }),
    { seed, numRuns: 300 },
  )
})

test('any XML of the grammar becomes a file that reads back as the same', () => {
  fc.assert(
    fc.property(anyXml, (text) => {
      const { sequence } = imported(text)
      const parsed = parseSequence({ file: 'x.yaml', text: writeSequenceFile(sequence) })
      assert.deepEqual(parsed.ok ? parsed.value.sequence : parsed.problem.errors, sequence)
    }),
    { seed, numRuns: 100 },
  )
})

test('a native sequence that the XML has a place for comes back as it was', () => {
  fc.assert(
    fc.property(anyNative, (sequence) => {
      const { text, lost } = exportSequence(sequence)
      assert.deepEqual(lost, [])
      const { original, ...back } = imported(text).sequence
      assert.equal(original?.dialect, 'configMgr')
      // The list of variables at the start is kept as it was, too; of the steps nothing more is kept.
      assert.deepEqual(back, sequence)
    }),
    { seed, numRuns: 300 },
  )
})
