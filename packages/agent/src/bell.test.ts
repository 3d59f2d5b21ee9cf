import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBell } from './bell.ts'

const { signal } = new AbortController()

test('a wait ends when it is rung, when its time is over, or when it is aborted', async () => {
  const bell = createBell()
  const rung = bell.wait(60_000, signal)
  bell.ring()
  assert.equal(await rung, 'rung')
  assert.equal(await bell.wait(1, signal), 'elapsed')
  const abort = new AbortController()
  const aborted = bell.wait(60_000, abort.signal)
  abort.abort()
  assert.equal(await aborted, 'aborted')
  assert.equal(await bell.wait(60_000, abort.signal), 'aborted')
})

test('ringing while nobody waits ends the next wait, and only that one', async () => {
  const bell = createBell()
  bell.ring()
  bell.ring()
  assert.equal(await bell.wait(60_000, signal), 'rung')
  assert.equal(await bell.wait(1, signal), 'elapsed')
})
