import assert from 'node:assert/strict'
import { test } from 'node:test'
import { movedWith, packed, unpacked } from './parcel.ts'

test('blobs go together in one buffer and come back where they were', () => {
  // Small Buffers are views of a large one, of which only their own bytes go.
  const values = [1, Buffer.from('one'), null, 'text', new Uint8Array(0), 7n, Buffer.from('another')]
  const parcel = packed(values)
  assert.equal(parcel.bytes.byteLength, 'oneanother'.length)
  const arrived = unpacked(structuredClone(parcel, { transfer: movedWith(parcel) }))
  assert.deepEqual(
    arrived.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)),
    values.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)),
  )
  assert.equal(parcel.bytes.byteLength, 0, 'the buffer was moved')
})

test('what has no blob moves no buffer, and can be sent again', () => {
  for (let i = 0; i < 2; i++) {
    const parcel = packed(['a', null, 3])
    assert.deepEqual(movedWith(parcel), [])
    assert.deepEqual(unpacked(structuredClone(parcel)), ['a', null, 3])
  }
})
