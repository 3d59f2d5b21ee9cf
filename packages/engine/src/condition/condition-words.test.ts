import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Condition } from '@sluice/protocol'
import { conditionInWords } from './condition-words.ts'

test('conditions are said in words, with brackets where they are needed', () => {
  const ring = { variable: 'Ring', operator: 'equals', value: 'fast' }
  const said: [unknown, string][] = [
    [ring, 'Ring equals "fast"'],
    [{ variable: 'A', operator: 'notExists', value: '' }, 'A is not there'],
    [{ all: [ring] }, 'Ring equals "fast"'],
    [
      { all: [ring, { any: [{ folder: '/data' }, { file: '/a', version: { operator: 'less', value: '2' } }] }] },
      'Ring equals "fast" and (there is a folder /data or there is a file /a, its version is less than "2")',
    ],
    [{ none: [ring, { always: true }] }, 'none of: Ring equals "fast", always'],
    [{ wmi: 'SELECT * FROM Win32_BIOS', namespace: '' }, 'the query SELECT * FROM Win32_BIOS finds something'],
    [{ software: 'editor', operator: 'thisVersion', version: '2' }, 'editor is installed in version 2'],
    [
      { registry: 'HKEY_LOCAL_MACHINE\\X', value: 'Y', operator: 'equals', data: '1' },
      'the registry\'s HKEY_LOCAL_MACHINE\\X : Y equals "1"',
    ],
    [{ osVersion: '12', architecture: '', operator: 'greaterEqual' }, 'the version of windows is at least "12"'],
    [{ kept: '<expression/>' }, 'a condition of a kind that nobody here knows'],
  ]
  for (const [condition, words] of said) assert.equal(conditionInWords(Condition.parse(condition)), words)
})
