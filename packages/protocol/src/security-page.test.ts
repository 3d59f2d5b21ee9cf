/** `docs/security.md`: every promise names the test that holds it, and that file is there. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'

const root = new URL('../../../', import.meta.url)
const page = await readFile(new URL('docs/security.md', root), 'utf8')
const rows = [...page.matchAll(/^\| ((?:SEC|REL)-\d+) \| (.+?) \| (.+?) \| (.+?) \|$/gm)].map(
  ([, id = '', promise = '', tests = '', open = '']) => ({ id, promise, tests, open }),
)

test('each promise stands once, and says what is proved and what is not', () => {
  assert.ok(rows.length > 30, `${rows.length} rows`)
  assert.deepEqual([...new Set(rows.map(({ id }) => id))].sort(), rows.map(({ id }) => id).sort())
})

test('each names at least one test file, and each of these asserts something', async () => {
  for (const { id, tests } of rows) {
    const files = [...tests.matchAll(/`([a-z/.-]+\.test\.tsx?)`/g)].map(([, file = '']) => file)
    assert.ok(files.length > 0, `${id} names no test`)
    for (const file of files) {
      const text = await readFile(new URL(`packages/${file}`, root), 'utf8').catch(() => undefined)
      assert.ok(text !== undefined, `${id}: packages/${file} is not there`)
      assert.match(text, /\bassert\.\w+\(/, `${id}: packages/${file} asserts nothing`)
    }
  }
})
