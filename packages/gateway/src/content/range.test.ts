import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readRange } from './range.ts'

/** What a widely used server answers for a file of 1,000 bytes, and several ranges always refused (SEC-54). */
const table: [string | undefined, string][] = [
  [undefined, 'whole'],
  ['bytes=0-0', '0..1'],
  ['bytes=0-', '0..1000'],
  ['bytes=-1', '999..1000'],
  ['bytes=-5000', '0..1000'],
  ['bytes=999-', '999..1000'],
  ['bytes=999-999', '999..1000'],
  ['bytes=10-19', '10..20'],
  ['bytes=0-5000', '0..1000'],
  ['bytes=1000-', 'refused'],
  ['bytes=1000-1001', 'refused'],
  ['bytes=5-2', 'refused'],
  ['bytes=a-b', 'refused'],
  ['bytes=-', 'refused'],
  ['bytes=-0', 'refused'],
  ['bytes=0-18446744073709551616', 'refused'],
  ['bytes=18446744073709551616-', 'refused'],
  ['bytes=-18446744073709551616', 'refused'],
  ['bytes=0-0,2-3', 'refused'],
  ['bytes=0-0, 2-3', 'refused'],
  ['bytes=0-0,', 'refused'],
  ['bytes= 0-0', 'refused'],
  ['bytes=0x0-0x1', 'refused'],
  ['bytes=1e2-', 'refused'],
  ['bytes=', 'whole'],
  ['bits=0-1', 'whole'],
  ['0-1', 'whole'],
]

for (const [header, wanted] of table)
  test(`${header ?? 'no header'} of 1,000 bytes: ${wanted}`, () => {
    const read = readRange(header, 1000)
    assert.equal(read.kind === 'part' ? `${read.range.start}..${read.range.end}` : read.kind, wanted)
  })

test('whatever the header, no range leaves the object', () => {
  const digits = '0123456789'
  let state = 7
  const random = (below: number) => {
    state = (state * 1103515245 + 12345) % 2147483648
    return state % below
  }
  for (let i = 0; i < 10_000; i++) {
    const alphabet = `${digits}-,= b`
    const header = `bytes=${Array.from({ length: random(8) }, () => alphabet[random(alphabet.length)]).join('')}`
    const read = readRange(header, 1000)
    if (read.kind !== 'part') continue
    const { start, end } = read.range
    assert.ok(start >= 0 && start < end && end <= 1000, header)
  }
})
