import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from './log.ts'

test('whatever is logged stays one line of JSON without anything that acts on a terminal (SEC-62)', () => {
  const lines: string[] = []
  const log = createLog(
    (line) => lines.push(line),
    () => 0,
  )
  const nasty = 'a\nb\r\u001b[2J\u0007\u009b31m\u202etxt\u2028\u0000'
  log.warn(nasty, { field: nasty, error: new Error(nasty, { cause: new Error('why') }), [nasty]: 1n })
  const [line = ''] = lines
  assert.equal(lines.length, 1)
  assert.match(line, /^[\x20-\x7e]+$/)
  const parsed = JSON.parse(line)
  assert.equal(parsed.at, '1970-01-01T00:00:00.000Z')
  assert.equal(parsed.level, 'warn')
  assert.equal(parsed.message, nasty)
  assert.equal(parsed.error.cause.message, 'why')
})
