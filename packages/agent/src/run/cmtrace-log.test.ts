import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createTraceLog, mask, rotateTraceLog, traceLine } from './cmtrace-log.ts'

const at = new Date(2026, 10, 20, 9, 5, 7, 42)

test('a record has the form that CMTrace reads', () => {
  const line = traceLine({ text: 'Hello', component: 'TSManager', level: 'warning' }, at)
  assert.match(
    line,
    /^<!\[LOG\[Hello\]LOG\]!><time="09:05:07\.042[+-]\d{2,3}" date="11-20-2026" component="TSManager" context="" type="2" thread="\d+" file="">$/,
  )
})

test('no text ends a record early or reaches a terminal as more than text', () => {
  const line = traceLine({ text: 'a]LOG]!><time="x"\u001b[31m\nb\u0085', component: 'c', level: 'info' }, at)
  assert.equal(line.split(']LOG]!>').length, 2)
  assert.ok(line.includes('\\x1b[31m\nb\\x85'))
})

test('hidden values are masked, the longest first, and trifles are not', () => {
  assert.equal(mask('hunter22 and hunter', ['hunter', 'hunter22', 'an', '']), '***** and *****')
})

test('a log that has grown is put aside under a dated name, and the oldest of those go', (t) => {
  const folder = temporaryFolder(t)
  const path = join(folder, 'smsts.log')
  const log = createTraceLog({ path, masked: () => ['secret'], now: () => at.getTime() })
  for (let day = 1; day <= 4; day++) {
    log.write({ text: `a secret of day ${day}`, component: 'c', level: 'info' })
    rotateTraceLog(path, { maxBytes: 10, history: 2 }, new Date(Date.UTC(2026, 0, day)))
  }
  writeFileSync(path, 'short')
  rotateTraceLog(path, { maxBytes: 10, history: 2 }, at)
  assert.deepEqual(readdirSync(folder).sort(), [
    'smsts-20260103-000000000.log',
    'smsts-20260104-000000000.log',
    'smsts.log',
  ])
  assert.match(readFileSync(join(folder, 'smsts-20260104-000000000.log'), 'utf8'), /a \*\*\*\*\* of day 4/)
})
