import assert from 'node:assert/strict'
import { test } from 'node:test'
import { z } from 'zod'
import { preAuthEncoding, readSignedJson, writeSignedJson } from './dsse.ts'
import { POLICY_READER, unreadable } from './policy.ts'

const bytes = (text: string) => new TextEncoder().encode(text)
const fault = (input: Uint8Array) => {
  const read = readSignedJson(input)
  return read.ok ? undefined : read.fault
}

test('what is written is read back, whatever the text in it', () => {
  const value = { a: [1, 2.5, true, null], ключ: 'Grüße \u2028 😀 \u0000 \\ "', b: { deep: { deeper: {} } }, n: -1e21 }
  const read = readSignedJson(writeSignedJson(value))
  assert.deepEqual(read, { ok: true, value })
})

for (const [what, text] of [
  ['a key twice', '{"a":1,"a":2}'],
  ['a key twice, once escaped', '{"a":1,"\\u0061":2}'],
  ['a key __proto__', '{"__proto__":{"deviceId":"x"}}'],
  ['a key __proto__ inside', '{"a":[{"__proto__":1}]}'],
  ['bytes after the value', '{"a":1}{"a":2}'],
  ['a blank after the value', '{"a":1} '],
  ['a line end before it', '\n{"a":1}'],
  ['a byte order mark', '\ufeff{"a":1}'],
  ['a number that is infinite', '{"a":1e400}'],
  ['a number that loses digits', '{"a":9007199254740993}'],
  ['another spelling of a number', '{"a":1.0}'],
  ['a lone surrogate', '{"a":"\\ud800"}'],
  ['a lone surrogate as a key', '{"\\udfff":1}'],
  ['not JSON', '{a:1}'],
  ['nothing', ''],
] as const)
  test(`refused: ${what}`, () => assert.equal(typeof fault(bytes(text)), 'string'))

test('refused: bytes that are not UTF-8, and nesting without end', () => {
  assert.equal(typeof fault(new Uint8Array([0x22, 0xff, 0x22])), 'string')
  assert.equal(typeof fault(bytes('['.repeat(200_000) + ']'.repeat(200_000))), 'string')
})

test('a text that looks like an escape is only a text', () => {
  const value = { path: 'C:\\udd00\\__proto__', quote: '"__proto__":' }
  assert.deepEqual(readSignedJson(writeSignedJson(value)), { ok: true, value })
})

test('what is signed begins with the type and both lengths (DSSE 1.0.2, test vector)', () => {
  const pae = preAuthEncoding('http://example.com/HelloWorld', bytes('hello world'))
  assert.equal(new TextDecoder().decode(pae), 'DSSEv1 29 http://example.com/HelloWorld 11 hello world')
})

test('a document for newer readers, or with fields that must be understood, is not for this one', () => {
  const schema = z.object({ minReader: z.int(), crit: z.array(z.string()).default([]), known: z.string().optional() })
  const says = (document: unknown) => unreadable(document, schema)
  assert.equal(says({ minReader: 1 }), undefined)
  assert.equal(says({ minReader: 1, crit: ['known'], other: 1 }), undefined)
  assert.match(says({ minReader: POLICY_READER + 1 }) ?? '', /asks for reader 2/)
  assert.match(says({ minReader: 1, crit: ['known', 'maintenance'] }) ?? '', /maintenance/)
  assert.match(says({ minReader: 1, crit: ['toString'] }) ?? '', /toString/)
  assert.match(says({}) ?? '', /which readers/)
  assert.match(says(null) ?? '', /which readers/)
})
