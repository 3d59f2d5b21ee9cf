import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { constants, zstdCompressSync } from 'node:zlib'
import { seededBytes, seededNumbers } from '../testing/seeded-bytes.ts'
import { value } from '../testing/value.ts'
import { openFrame, sealFrame } from './frame.ts'
import { MAX_CHUNK_BYTES, MAX_SEALED_FRAME_BYTES } from './frame-format.ts'
import { deriveKey, seal } from './gcm.ts'
import { sha256 } from './hash.ts'

const salt = seededBytes('salt', 32)
const whole = (plain: Uint8Array) => ({ id: sha256(plain), sizeBytes: plain.length, offsetInFrame: 0 })

test('a frame of one chunk and a frame of several come back', async () => {
  const random = seededBytes('random', MAX_CHUNK_BYTES)
  const one = await sealFrame(random, salt)
  ok(one.sealed.length <= MAX_SEALED_FRAME_BYTES, 'what does not compress grows by the seal only')
  deepEqual(Buffer.from(value(openFrame(one.sealed, { hash: one.hash, salt }, [whole(random)]))), random)

  const text = Buffer.from('text that compresses '.repeat(3000))
  const parts = [text.subarray(0, 100), text.subarray(100, 5000), text.subarray(5000)]
  const several = await sealFrame(text, salt)
  ok(several.sealed.length < 1000)
  let offsetInFrame = 0
  const chunks = parts.map((part) => {
    const chunk = { ...whole(part), offsetInFrame }
    offsetInFrame += part.length
    return chunk
  })
  deepEqual(Buffer.from(value(openFrame(several.sealed, { hash: several.hash, salt }, chunks))), text)
})

test('a changed byte anywhere is refused', async () => {
  const plain = seededBytes('flip', 3000)
  const { hash, sealed } = await sealFrame(plain, salt)
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed)
    changed.writeUInt8(changed.readUInt8(at) ^ (1 << (at % 8)), at)
    const result = openFrame(changed, { hash, salt }, [whole(plain)])
    equal(result.ok ? 'opened' : result.problem.code, 'CONTENT_CORRUPT', `byte ${at}`)
  }
})

test('another length, pack, hash or chunk is refused', async () => {
  const plain = seededBytes('other', 3000)
  const { hash, sealed } = await sealFrame(plain, salt)
  const other = sha256(Buffer.from('other'))
  const cases = [
    openFrame(sealed.subarray(0, -1), { hash, salt }, []),
    openFrame(Buffer.concat([sealed, Buffer.alloc(1)]), { hash, salt }, []),
    openFrame(Buffer.alloc(0), { hash, salt }, []),
    openFrame(Buffer.alloc(MAX_SEALED_FRAME_BYTES + 1), { hash, salt }, []),
    openFrame(sealed, { hash, salt: seededBytes('another pack', 32) }, []),
    openFrame(sealed, { hash: other, salt }, []),
    openFrame(sealed, { hash, salt }, [{ id: other, sizeBytes: 3000, offsetInFrame: 0 }]),
    openFrame(sealed, { hash, salt }, [{ id: hash, sizeBytes: 3000, offsetInFrame: 1 }]),
    openFrame(sealed, { hash, salt }, [{ id: hash, sizeBytes: 2 ** 40, offsetInFrame: 0 }]),
  ]
  for (const [i, result] of cases.entries())
    equal(result.ok ? 'opened' : result.problem.code, 'CONTENT_CORRUPT', `case ${i}`)
})

test('whoever knows the key still cannot make a frame expand beyond what it claims', () => {
  const bomb = Buffer.alloc(64 * MAX_CHUNK_BYTES)
  const hash = sha256(bomb)
  const key = deriveKey(Buffer.from(hash, 'hex'), salt, 'sluice frame 1')
  const wide = { params: { [constants.ZSTD_c_windowLog]: 27, [constants.ZSTD_c_compressionLevel]: 1 } }
  for (const [claimed, body] of [
    [1000, zstdCompressSync(bomb)],
    [MAX_CHUNK_BYTES, zstdCompressSync(bomb)],
    [0, zstdCompressSync(bomb)],
    [bomb.length, zstdCompressSync(bomb)],
    [1000, zstdCompressSync(bomb.subarray(0, 1000), wide)],
    [1000, Buffer.from('not zstd')],
  ] as const) {
    const header = Buffer.from([0x46, 1, 1, 0, 0, 0, 0, 0])
    header.writeUInt32LE(claimed, 4)
    const before = process.memoryUsage().arrayBuffers
    const result = openFrame(seal(key, header, body), { hash, salt }, [])
    equal(result.ok ? 'opened' : result.problem.code, 'CONTENT_CORRUPT')
    ok(process.memoryUsage().arrayBuffers - before < 4 * MAX_CHUNK_BYTES)
  }
})

test('random bytes are never a frame', () => {
  const number = seededNumbers('noise')
  for (let i = 0; i < 2000; i++) {
    const noise = seededBytes(`noise ${i}`, number(200))
    if (i % 2 === 0 && noise.length > 8) noise.set([0x46, 1, 1, 0, number(256), 0, 0, 0])
    const result = openFrame(noise, { hash: sha256(noise), salt }, [])
    equal(result.ok ? 'opened' : result.problem.code, 'CONTENT_CORRUPT')
  }
})
