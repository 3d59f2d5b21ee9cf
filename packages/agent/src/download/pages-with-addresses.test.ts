/** Small pages come with their addresses: a round trip less before the first byte of a package. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { ok, problem } from '@sluice/protocol'
import type { Line } from './budget/line.ts'
import { startTestLine } from './testing/test-line.ts'
import { never, once, silent } from './testing/test-run.ts'

const text = 'what the package has'
const open: Line = {
  admit: async () => undefined,
  givenUp() {},
  passed: () => undefined,
  mostStreams: () => Number.POSITIVE_INFINITY,
  mostRangeBytes: () => Number.POSITIVE_INFINITY,
}

/** Pages that were asked for by themselves, and what the line counted. */
async function download(t: Parameters<typeof startTestLine>[0], line: Line, changePage?: (page: Buffer) => Buffer) {
  const far = await startTestLine(t)
  far.contents.pagesWithAddresses = true
  far.contents.changePage = changePage
  const pack = await far.add('ABC00001', { 'some.txt': text })
  let passedBytes = 0
  const counting: Line = {
    ...line,
    passed(bytes) {
      passedBytes += bytes
      return line.passed(bytes)
    },
  }
  const run = await far.open([pack], {}, counting)
  const got = await run.contents.acquire({ packageId: pack.policy.id, retry: once }, never, silent)
  const asked = far.contents.served.objects.filter(({ kind }) => kind === 'page').length
  return { got, asked, passedBytes, served: far.contents.served, metadata: run.contents.bytes(pack.policy.id) }
}

test('no page is asked for by itself, and each counts as metadata and on the line', async (t) => {
  const { got, asked, passedBytes, served, metadata } = await download(t, open)
  assert.ok(got.ok, JSON.stringify(got))
  assert.equal(readFileSync(join(got.value.folder, 'some.txt'), 'utf8'), text)
  assert.equal(asked, 0)
  assert.equal(passedBytes, served.pageBytes + served.packBytes)
  assert.ok(metadata.metadataBytes >= served.pageBytes)
})

test('a page that comes wrong is asked for again, and in the end the problem says what it is', async (t) => {
  let wrong = 1
  const once = await download(t, open, (page) => (wrong-- > 0 ? Buffer.alloc(page.length) : page))
  assert.deepEqual(ok(once.got.ok), ok(true))
  const ever = await download(t, open, (page) => Buffer.alloc(page.length))
  assert.equal(!ever.got.ok && ever.got.problem.code, 'CONTENT_CORRUPT')
})

test('where the line is limited, pages are fetched as all else', async (t) => {
  const limited = await download(t, { ...open, mostRangeBytes: () => 256 * 1024 })
  assert.ok(limited.got.ok)
  assert.equal(limited.asked, 3)
})

test('where it is closed, none comes', async (t) => {
  const closed = problem('METERED_BLOCKED', 'as the test wants it')
  const { served, asked, passedBytes } = await downloadUntil(t, { ...open, admit: async () => closed })
  assert.deepEqual([served.pageBytes, asked, passedBytes], [0, 0, 0])
})

/** Closed lines are waited for: this looks after the first refusal. */
async function downloadUntil(t: Parameters<typeof startTestLine>[0], line: Line) {
  const far = await startTestLine(t)
  far.contents.pagesWithAddresses = true
  const pack = await far.add('ABC00001', { 'some.txt': text })
  const run = await far.open([pack], {}, line)
  const waiting = Promise.withResolvers<void>()
  const stop = new AbortController()
  const events = { ...silent, onWaiting: () => waiting.resolve() }
  const ended = run.contents.acquire({ packageId: pack.policy.id, retry: once }, stop.signal, events).catch(() => {})
  await waiting.promise
  stop.abort()
  await ended
  const { served } = far.contents
  return { served, asked: served.objects.length, passedBytes: served.packBytes }
}
