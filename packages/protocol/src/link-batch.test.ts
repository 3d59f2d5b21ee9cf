import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  answerFrameReader,
  type BatchedAnswer,
  batchBounds,
  readRequestBatch,
  writeAnswerFrame,
  writeRequestBatch,
} from './link-batch.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (body: Uint8Array) => new TextDecoder().decode(body)
const caller = { identity: 'anonymous', remoteAddress: '192.0.2.1' } as const

test('requests are read as they were written, whatever bytes they are', () => {
  const bodies = [bytes('{"a":1}\n'), new Uint8Array(), Uint8Array.from([0xff, 0x0a, 0])]
  const read = readRequestBatch(writeRequestBatch(bodies.map((body) => ({ caller, body }))))
  assert.deepEqual(
    read?.map(({ body }) => [...body]),
    bodies.map((body) => [...body]),
  )
  assert.deepEqual(read?.[0]?.caller, caller)
})

test('what is longer, shorter or more than it says is no batch', () => {
  const good = writeRequestBatch([{ caller, body: bytes('{}') }])
  assert.ok(readRequestBatch(good))
  const many = Array.from({ length: batchBounds.requests + 1 }, () => ({ caller, body: bytes('') }))
  const more = Uint8Array.from([...good, 0x7d])
  const stranger = bytes(`${JSON.stringify([{ caller: { identity: 'root' }, bytes: 0 }])}\n`)
  for (const wrong of [more, good.subarray(0, -1), bytes('[]\n'), bytes('[]'), stranger, writeRequestBatch(many)])
    assert.equal(readRequestBatch(wrong), undefined)
})

test('answers come in any order and in any pieces; one that is too long asks for its request alone', () => {
  const frames = [
    writeAnswerFrame(2, 200, 'application/json', bytes('{"b":2}')),
    writeAnswerFrame(0, 403, 'application/problem+json', bytes('{}')),
    writeAnswerFrame(1, 200, 'application/json', new Uint8Array(batchBounds.answerBytes + 1)),
    writeAnswerFrame(3, 200, 'text/html', bytes('<p>')),
  ]
  const all = Uint8Array.from(frames.flatMap((frame) => [...frame]))
  for (const step of [1, 5, 9, all.length]) {
    const read = answerFrameReader()
    const answers: BatchedAnswer[] = []
    for (let at = 0; at < all.length; at += step) answers.push(...read(all.subarray(at, at + step)))
    assert.deepEqual(
      answers.map(({ request, status, contentType, body }) => [request, status, contentType, text(body)]),
      [
        [2, 200, 'application/json', '{"b":2}'],
        [0, 403, 'application/problem+json', '{}'],
        [1, 200, 'alone', ''],
        [3, 200, 'alone', ''],
      ],
    )
  }
  assert.throws(() => answerFrameReader()(bytes('HTTP/1.1 200')))
})
