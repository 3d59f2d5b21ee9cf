import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ProblemError } from '@sluice/protocol'
import { readJsonLines } from './json-lines.ts'

/** A body whose bytes arrive in pieces of `size`. */
function body(text: string, size: number): ReadableStream<Uint8Array> {
  const bytes = new TextEncoder().encode(text)
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.subarray(at, at + size))
      at += size
    },
  })
}

const read = (text: string, size: number, max = 1000) => Array.fromAsync(readJsonLines(body(text, size), max))

test('values arrive whole however the bytes are cut, also inside of a character', async () => {
  for (const size of [1, 2, 3, 7, 100])
    assert.deepEqual(await read('{"a":"Zürich"}\n\n[2]\n', size), [{ a: 'Zürich' }, [2]])
})

test('a line that breaks off at the end is dropped', async () => {
  assert.deepEqual(await read('1\n2\n{"half":', 5), [1, 2])
})

test('a line that is no JSON, or is too long, is a bad answer', async () => {
  const bad = (error: unknown) => error instanceof ProblemError && error.problem.code === 'BAD_ANSWER'
  await assert.rejects(read('1\n<html>\n', 4), bad)
  await assert.rejects(read('x'.repeat(2000), 100, 1000), bad)
})

test('who stops reading closes the connection', async () => {
  let cancelled = false
  const endless = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new TextEncoder().encode('1\n')),
    cancel: () => {
      cancelled = true
    },
  })
  for await (const _ of readJsonLines(endless, 10)) break
  assert.equal(cancelled, true)
})
