import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ProblemKind, problem, problems, readProblem } from './problem.ts'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const table = problems as Record<string, ProblemKind>

test('every code has a section in docs/problems.md with its title, status and remedy, and no section is left over', async () => {
  const page = await readFile(join(root, 'docs/problems.md'), 'utf8')
  const sections = new Map(
    page
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.split('\n', 1)[0] as string, section]),
  )
  assert.deepEqual([...sections.keys()].sort(), Object.keys(table).sort())
  for (const [code, kind] of Object.entries(table)) {
    const section = sections.get(code) as string
    for (const part of [kind.title, `HTTP ${kind.status}`, kind.remedy])
      assert.ok(section.includes(part), `${code}: ${part}`)
  }
})

test('no code stands in two area tables', async () => {
  const folder = join(root, 'packages/protocol/src/problems')
  const seen = new Map<string, string>()
  for (const file of await readdir(folder)) {
    for (const [, code] of (await readFile(join(folder, file), 'utf8')).matchAll(/^ {2}([A-Z][A-Z_]+): \{/gm)) {
      assert.equal(seen.get(code as string), undefined, `${code} is in ${seen.get(code as string)} and ${file}`)
      seen.set(code as string, file)
    }
  }
  assert.equal(seen.size, Object.keys(table).length)
})

test('every code that the table has is used by the code, so that no page describes what cannot happen', async () => {
  let sources = ''
  for (const entry of await readdir(join(root, 'packages'), { recursive: true, withFileTypes: true }))
    if (
      entry.isFile() &&
      /\.tsx?$/.test(entry.name) &&
      !/\.test\.tsx?$/.test(entry.name) &&
      !/\/(node_modules|dist)(\/|$)|protocol\/src\/problems/.test(entry.parentPath)
    )
      sources += await readFile(join(entry.parentPath, entry.name), 'utf8')
  const unused = Object.keys(table).filter((code) => !sources.includes(`'${code}'`))
  assert.deepEqual(unused, [])
})

test('a status says whether the fault lies with the caller or the server, and titles are sentences without a full stop', () => {
  for (const [code, kind] of Object.entries(table)) {
    assert.ok(kind.status >= 400 && kind.status < 600, code)
    assert.match(kind.title, /^[A-Z].*[^.]$/, code)
    assert.match(kind.remedy, /\.$/, code)
  }
})

test('a code of a newer version keeps its text and its advice', () => {
  const read = readProblem({ code: 'FROM_THE_FUTURE', title: 'New', detail: 'more', retry: 'later' }, 503)
  assert.equal(read.code, 'INTERNAL')
  assert.equal(read.detail, 'FROM_THE_FUTURE: more')
  assert.equal(read.retry, 'later')
})

test('what is not a problem document becomes BAD_ANSWER', () => {
  assert.equal(readProblem('<html>', 502).code, 'BAD_ANSWER')
  assert.equal(readProblem(undefined, 502).code, 'BAD_ANSWER')
})

test('a problem carries the advice of its code', () => {
  assert.equal(problem('PACK_GONE', 'x').retry, 'now')
})
