import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createMeasures } from './measures.ts'

/** Intl uses several kinds of spaces. */
const plain = (text: string) => text.replace(/\s/g, ' ')

const en = createMeasures('en')
const de = createMeasures('de')

test('sizes are decimal and have the form of the language', () => {
  assert.equal(plain(en.bytes(0)), '0 byte')
  assert.equal(plain(en.bytes(48_200)), '48 kB')
  assert.equal(plain(en.bytes(16_777_216)), '16.8 MB')
  assert.equal(plain(de.bytes(16_777_216)), '16,8 MB')
  assert.equal(plain(en.bytes(412_000_000)), '412 MB')
  assert.equal(plain(en.bytes(4_210_000_000)), '4.2 GB')
  assert.equal(plain(en.bytes(5e15)), '5,000 TB')
})

test('a size just below the next unit is not rounded to a thousand of the lower one', () => {
  assert.equal(plain(en.bytes(999_999)), '1.0 MB')
})

test('rates', () => {
  assert.equal(plain(en.rate(1_240_000)), '1.2 MB/s')
  assert.equal(plain(de.rate(820)), '820 Byte/s')
})

test('durations get coarser as they grow', () => {
  assert.equal(plain(en.duration(420)), '0.4 sec')
  assert.equal(plain(en.duration(9_990)), '10 sec')
  assert.equal(plain(en.duration(59_600)), '1 min 0 sec')
  assert.equal(plain(en.duration(151_000)), '2 min 31 sec')
  assert.equal(plain(en.duration(4 * 3600_000 + 120_000)), '4 hr 2 min')
})

test('estimates', () => {
  assert.equal(plain(en.minutes(1)), '1 minute')
  assert.equal(plain(de.minutes(45)), '45 Minuten')
  assert.equal(plain(en.minutes(120)), '2 hours')
  assert.equal(plain(en.minutes(150)), '2 hours 30 minutes')
})
