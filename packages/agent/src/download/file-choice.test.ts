import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FilePart, ManifestPage } from '@sluice/content'
import { createFileChoice } from './file-choice.ts'

const file = (path: string): FilePart => ({
  ...{ kind: 'file', path, modifiedMs: 0, executable: false, sizeBytes: 10, offset: 0, extents: [] },
})
const pageOf = (paths: string[]): ManifestPage => ({ entries: paths.map(file), chunks: [] })
const paths = [
  'setup.exe',
  'Sources/boot.wim',
  'sources/install.wim',
  'sources/sv-SE/a.mui',
  'sources/sv-SE/deep/b.mui',
]
const chosen = (patterns: string[], target: 'linux' | 'windows' = 'linux') =>
  createFileChoice(patterns, target)
    .of(pageOf(paths))
    .entries.map(({ path }) => path)

test('patterns choose names, folders with all that is in them, and any depth', () => {
  assert.deepEqual(chosen(['setup.exe']), ['setup.exe'])
  assert.deepEqual(chosen(['sources/*.wim']), ['sources/install.wim'])
  assert.deepEqual(chosen(['sources/*.wim'], 'windows'), ['Sources/boot.wim', 'sources/install.wim'])
  assert.deepEqual(chosen(['sources/sv-??']), ['sources/sv-SE/a.mui', 'sources/sv-SE/deep/b.mui'])
  assert.deepEqual(chosen(['**/*.mui']), ['sources/sv-SE/a.mui', 'sources/sv-SE/deep/b.mui'])
  assert.deepEqual(chosen(['*']), paths)
  assert.deepEqual(chosen(['ources']), [])
  assert.deepEqual(chosen(['sources/*/b.mui']), [])
})

test('what is chosen is counted, and a pattern that fits nothing is told', () => {
  const choice = createFileChoice(['*.exe', 'drivers'], 'any')
  assert.equal(choice.count(pageOf(paths)), 10)
  assert.deepEqual(choice.unmet(), ['drivers'])
})

test('a pattern made to be slow is not', () => {
  const choice = createFileChoice([`${'*a'.repeat(100)}b`, `${'**/a/'.repeat(50)}b`], 'linux')
  assert.equal(choice.count(pageOf(['a'.repeat(255), 'a/'.repeat(1000).slice(0, -1)])), 0)
})
