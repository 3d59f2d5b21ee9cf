import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkLocation, PackInfo } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'
import { createFrameQueue, mergeRanges, planFrames, rangeSize } from './frame-plan.ts'

const hash = (text: string) => text.repeat(64).slice(0, 64) as Sha256
const packs = new Map<Sha256, PackInfo>(
  ['a', 'b'].map((name) => [hash(name), { hash: hash(name), sizeBytes: 10_000, salt: new Uint8Array(32) }]),
)
/** Chunks 0 to n - 1, one a frame of 100 bytes, side by side in a pack. */
const sideBySide = (pack: string, count: number): ChunkLocation[] =>
  Array.from({ length: count }, (_, i) => ({
    pack: hash(pack),
    frameOffset: 16 + i * 100,
    frameBytes: 100,
    frameHash: hash(String(i)),
    offsetInFrame: 0,
  }))
const lacking = (...indexes: number[]) =>
  indexes.map((index) => ({ id: hash(String(index)), sizeBytes: 90, index, places: [] }))
const shown = (ranges: ReturnType<typeof mergeRanges>) =>
  ranges.map(({ pack, range }) => `${pack.hash[0]} ${range.start}-${range.end}`)

test('neighbours come in one range; what is not needed is never in it', () => {
  const frames = planFrames(lacking(0, 1, 2, 5, 6), sideBySide('a', 8), packs)
  assert.deepEqual(shown(mergeRanges(frames, 1_000_000)), ['a 16-316', 'a 516-716'])
})

test('a range is cut at its largest size, at the border of a frame', () => {
  const frames = planFrames(lacking(0, 1, 2, 3, 4), sideBySide('a', 5), packs)
  assert.deepEqual(shown(mergeRanges(frames, 250)), ['a 16-216', 'a 216-416', 'a 416-516'])
})

test('chunks that share a frame fetch it once', () => {
  const shared: ChunkLocation = {
    pack: hash('b'),
    frameOffset: 16,
    frameBytes: 300,
    frameHash: hash('f'),
    offsetInFrame: 0,
  }
  const locations = [shared, { ...shared, offsetInFrame: 90 }, { ...shared, offsetInFrame: 180 }]
  const frames = planFrames(lacking(0, 2), locations, packs)
  assert.equal(frames.length, 1)
  assert.deepEqual(
    frames[0]?.chunks.map(({ offsetInFrame }) => offsetInFrame),
    [0, 180],
  )
})

test('packs keep the order of the files, frames that of their bytes', () => {
  const locations = [...sideBySide('b', 2), ...sideBySide('a', 2)]
  const frames = planFrames(lacking(3, 1, 0, 2), locations, packs)
  assert.deepEqual(shown(mergeRanges(frames, 1000)), ['a 16-216', 'b 16-216'])
})

test('ranges are long while much is left, and short enough at the end that all streams end together', () => {
  const KiB = 1024
  const MiB = 1024 * KiB
  const fast = MiB
  assert.equal(rangeSize(10_000 * MiB, 4, fast), 16 * MiB)
  assert.equal(rangeSize(60 * MiB, 4, fast), 5 * MiB)
  assert.equal(rangeSize(100, 4, fast), MiB)
  assert.equal(rangeSize(100, 4, undefined), 512 * KiB)
  assert.equal(rangeSize(100, 4, 200), 200_000, 'a slow stream: a second of it')
  assert.equal(rangeSize(100, 4, 1), 128 * KiB)
  assert.equal(rangeSize(100, 4, 200, true), 80_000, 'nothing comes after it: less than half of a second')
  assert.equal(rangeSize(100, 4, 1, true), 64 * KiB)
})

test('a queue gives out every frame once, and knows what is left', () => {
  const queue = createFrameQueue(planFrames(lacking(0, 1, 2, 4), sideBySide('a', 5), packs))
  assert.equal(queue.leftBytes(), 400)
  assert.deepEqual(shown([queue.next(250), queue.next(10)].filter((range) => range !== undefined)), [
    'a 16-216',
    'a 216-316',
  ])
  assert.equal(queue.leftBytes(), 100)
  assert.deepEqual(shown([queue.next(1000)].filter((range) => range !== undefined)), ['a 416-516'])
  assert.equal(queue.next(1000), undefined)
})

test('a frame that is to be split comes in equal stretches, which know of each other', () => {
  const queue = createFrameQueue(planFrames(lacking(0, 1), sideBySide('a', 2), packs))
  const stretches = [queue.next(40, true), queue.next(40, true), queue.next(40), queue.next(40)]
  assert.deepEqual(shown(stretches.filter((range) => range !== undefined)), [
    'a 16-50',
    'a 50-83',
    'a 83-116',
    'a 116-216',
  ])
  const [first, second, third, whole] = stretches
  assert.deepEqual(first?.shared, { sealed: undefined, lackingBytes: 100 })
  assert.ok(first?.shared === second?.shared && second?.shared === third?.shared)
  assert.equal(whole?.shared, undefined, 'it was not to be split')
  assert.equal(queue.leftBytes(), 0)
})
