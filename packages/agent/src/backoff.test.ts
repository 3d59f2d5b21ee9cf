import assert from 'node:assert/strict'
import { test } from 'node:test'
import { problem } from '@sluice/protocol'
import { createBackoff } from './backoff.ts'

test('waits double up to the longest, and begin anew after a success', () => {
  const least = createBackoff({ firstMs: 1_000, maxMs: 10_000, random: () => 0 })
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6].map(() => least.next()),
    [500, 1_000, 2_000, 4_000, 5_000, 5_000],
  )
  least.reset()
  assert.equal(least.next(), 500)
  const most = createBackoff({ firstMs: 1_000, maxMs: 10_000, random: () => 1 })
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => most.next()),
    [1_000, 2_000, 4_000, 8_000, 10_000],
  )
})

test('who says when to come again is heard, within a day', () => {
  const backoff = createBackoff({ firstMs: 1_000, maxMs: 10_000, random: () => 0 })
  assert.equal(backoff.next(problem('BUSY', '', { retryAfterMs: 30_000 })), 30_000)
  assert.equal(backoff.next(problem('BUSY', '', { retryAfterMs: 1e12 })), 24 * 3600_000)
})
