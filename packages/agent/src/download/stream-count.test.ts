import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../testing/seeded-random.ts'
import { createStreamCount } from './stream-count.ts'

/** A line, in bytes per millisecond: what it carries in all, and what one stream gets of it at most. */
interface TestLine {
  rate: number
  perStream: number
  latencyMs: number
}

const mbit = (n: number) => (n * 1e6) / 8 / 1000

/** Lets the count watch a line for a while; its rate swings by up to a tenth. Gives the numbers it chose. */
function watch(line: TestLine, seconds: number, options = { first: 8, most: 24, seed: 1 }) {
  const random = seededRandom(options.seed)
  const count = createStreamCount(options)
  const chosen: number[] = []
  let bytes = 0
  let now = 0
  count.answered(line.latencyMs)
  while (now < seconds * 1000) {
    const interval = count.intervalMs()
    now += interval
    bytes += Math.min(line.rate, line.perStream * count.streams()) * interval * (0.95 + random() * 0.1)
    count.observe(now, bytes, count.streams())
    chosen.push(count.streams())
  }
  return { count, chosen }
}

test('on a line where each stream starves there are as many streams as fill it', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { chosen } = watch({ rate: mbit(20), perStream: mbit(1), latencyMs: 80 }, 5, { first: 8, most: 24, seed })
    assert.ok((chosen.at(-1) ?? 0) >= 16, `seed ${seed}: ${chosen}`)
  }
})

test('it gets there in a few round trips', () => {
  const { chosen } = watch({ rate: mbit(100), perStream: mbit(1), latencyMs: 80 }, 2)
  assert.equal(chosen.at(-1), 24)
})

test('a line that is full takes no more streams, and those tried go again', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const { chosen } = watch({ rate: mbit(20), perStream: mbit(20), latencyMs: 20 }, 5, { first: 8, most: 24, seed })
    assert.equal(chosen.at(-1), 8, `seed ${seed}: ${chosen}`)
    assert.ok(Math.max(...chosen) <= 16, `seed ${seed}: ${chosen}`)
  }
})

test('a line that becomes another one is noticed', () => {
  const count = createStreamCount({ first: 4, most: 32 })
  let bytes = 0
  let now = 0
  const run = (perStream: number, ms: number) => {
    for (const end = now + ms; now < end; ) {
      now += count.intervalMs()
      bytes += Math.min(mbit(20), perStream * count.streams()) * count.intervalMs()
      count.observe(now, bytes, count.streams())
    }
  }
  run(mbit(20), 3_000)
  assert.equal(count.streams(), 4)
  run(mbit(0.5), 20_000)
  assert.equal(count.streams(), 32)
})

test('what happens while streams have nothing to do, or nothing comes yet, decides nothing', () => {
  const count = createStreamCount({ first: 4, most: 32 })
  count.observe(0, 0, 4)
  count.observe(1_000, 1_000_000, 3)
  count.observe(2_000, 1_000_000, 4)
  assert.deepEqual(count.state(), { kind: 'settling', before: { streams: 4, rate: 0 } })
  count.observe(3_000, 2_000_000, 4)
  assert.equal(count.state().kind, 'judging')
})

test('a slow answer makes it patient, within bounds', () => {
  const count = createStreamCount({ first: 4, most: 32 })
  assert.equal(count.intervalMs(), 300)
  count.answered(600)
  assert.equal(count.intervalMs(), 2_400)
  count.answered(2)
  assert.equal(count.intervalMs(), 300)
})
