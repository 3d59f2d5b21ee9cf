import assert from 'node:assert/strict'
import { test } from 'node:test'
import { splitCommandLine } from './command-words.ts'

const words = (text: string): string[] | string => {
  const split = splitCommandLine(text)
  return split.ok ? split.value : split.problem.detail
}

test('blanks separate words, quotes keep them together', () => {
  assert.deepEqual(words('setup.exe  /quiet\t/log x.log'), ['setup.exe', '/quiet', '/log', 'x.log'])
  assert.deepEqual(words('sh -c "echo \'a b\'"'), ['sh', '-c', "echo 'a b'"])
  assert.deepEqual(words('x --name="a b"c'), ['x', '--name=a bc'])
  assert.deepEqual(words('x "" \'\''), ['x', '', ''])
})

test('a backslash is itself; a doubled quote is one quote', () => {
  assert.deepEqual(words('"C:\\Program Files\\x\\" "say ""hi"""'), ['C:\\Program Files\\x\\', 'say "hi"'])
  assert.deepEqual(words("x 'it''s'"), ['x', "it's"])
})

test('an open quote and an empty command are faults', () => {
  assert.equal(words('x "abc'), 'The quote " at character 3 is not closed.')
  assert.equal(words('   '), 'The command is empty.')
  assert.equal(words('"" x'), 'The command is empty.')
})
