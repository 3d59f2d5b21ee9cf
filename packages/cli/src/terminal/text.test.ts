import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fields, formatBytes, printable, table } from './text.ts'

test('names that hold commands for a terminal are shown, not obeyed', () => {
  assert.equal(printable('a\x1b[2Jb\nc\u202e'), 'a\\u{1b}[2Jb\\u{a}c\\u{202e}')
  assert.deepEqual(table(['NAME'], [['x\x07']]), ['NAME', 'x\\u{7}'])
  assert.deepEqual(fields([['Name', 'x\x07']]), ['Name: x\\u{7}'])
})

test('tables: columns side by side, numbers to the right', () => {
  assert.deepEqual(
    table(
      ['ID', 'FILES', 'NAME'],
      [
        ['ABC00001', 7, 'Tools'],
        ['ABC00002', 1200, 'Äpplen'],
      ],
    ),
    ['ID        FILES  NAME', 'ABC00001      7  Tools', 'ABC00002   1200  Äpplen'],
  )
  assert.deepEqual(table(['ID'], []), ['(none)'])
})

test('sizes in decimal units', () => {
  assert.deepEqual([0, 999, 1000, 36_249_000, 999_960, 5e15].map(formatBytes), [
    '0 B',
    '999 B',
    '1.0 kB',
    '36.2 MB',
    '1.0 MB',
    '5000.0 TB',
  ])
})
