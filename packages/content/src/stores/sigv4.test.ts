import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import { canonicalQuery, presign, signHeaders } from './sigv4.ts'

/** The examples of the Amazon S3 API Reference, "Signature calculations" and "Using query parameters". */
const example = {
  region: 'us-east-1',
  credentials: { accessKeyId: 'AKIAIOSFODNN7EXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY' },
  nowMs: Date.UTC(2013, 4, 24),
}
const bucket = 'https://examplebucket.s3.amazonaws.com/'

test('signs requests as the reference does', () => {
  const signed = (query: string) => {
    const url = new URL(`${bucket}?${query}`)
    return signHeaders({ ...example, method: 'GET', url, body: new Uint8Array(0) }).authorization?.split(
      'Signature=',
    )[1]
  }
  equal(signed('lifecycle='), 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')
  equal(signed('prefix=J&max-keys=2'), '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')
})

test('signs addresses as the reference does', () => {
  const url = presign(new URL(`${bucket}test.txt`), 86_400, example)
  equal(url.searchParams.get('X-Amz-Signature'), 'aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404')
})

test('sorts and encodes query parameters', () => {
  equal(
    canonicalQuery(
      new URLSearchParams([
        ['b', "it's (1) + 1*"],
        ['a', '/'],
      ]),
    ),
    'a=%2F&b=it%27s%20%281%29%20%2B%201%2A',
  )
})
