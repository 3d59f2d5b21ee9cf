import assert from 'node:assert/strict'
import { test } from 'node:test'
import { orderText, readEnd } from './order.ts'

test('an order is lines of a word and base64, whatever stands in the values', () => {
  const text = orderText({
    commandLine: '"a.exe" ü',
    folder: 'C:\\x',
    environment: { A: 'one\ngo\n', PATH: 'C:\\' },
    account: 'CORP\\runner',
    password: 'go\n',
    input: 'secret',
  })
  const lines = text.split('\n').map((line) => line.split(' '))
  assert.deepEqual(
    lines.map(([word, value]) => [word, value === undefined ? undefined : Buffer.from(value, 'base64').toString()]),
    [
      ['commandLine', '"a.exe" ü'],
      ['folder', 'C:\\x'],
      ['variable', 'A=one\ngo\n'],
      ['variable', 'PATH=C:\\'],
      ['account', 'CORP\\runner'],
      ['password', 'go\n'],
      ['input', 'secret'],
      ['go', undefined],
      ['', undefined],
    ],
  )
})

test('the end of a step is an exit code or why there was none; anything else is no answer', () => {
  assert.deepEqual(readEnd('exited 0\n'), { exitCode: 0 })
  assert.deepEqual(readEnd('exited 3221225477\n'), { exitCode: 0xc0000005 })
  assert.deepEqual(readEnd('failed CreateProcess: 2\n'), { detail: 'CreateProcess: 2' })
  for (const text of [undefined, '', 'exited', 'exited 5', 'exited x\n', 'exited 5\n\n'])
    assert.equal(readEnd(text), undefined)
})
