import { deepEqual, equal, ok } from 'node:assert/strict'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededBytes } from '../testing/seeded-bytes.ts'
import { createChunker, cutSize, MIN_CHUNK_BYTES } from './chunker.ts'
import { MAX_CHUNK_BYTES } from './frame-format.ts'
import { gear } from './gear.ts'
import { sha256 } from './hash.ts'

function cuts(bytes: Uint8Array): number[] {
  const sizes: number[] = []
  for (let at = 0; at < bytes.length; ) {
    const size = cutSize(bytes, at, bytes.length)
    sizes.push(size)
    at += size
  }
  return sizes
}

const ids = (bytes: Buffer): string[] => {
  let end = 0
  return cuts(bytes).map((size) => {
    end += size
    return sha256(bytes.subarray(end - size, end))
  })
}

test('the gear table is part of the format and never changes', () => {
  equal(sha256(Buffer.from(gear.buffer)), '18cff5ae19f1879c2a8f855857ceaf7dd375c3a78e21dcb9942e9f8ae9cf19c0')
})

test('chunks are between 32 KiB and 1 MiB, about 128 KiB on average', () => {
  const bytes = seededBytes('average', 64 * 1024 * 1024)
  const sizes = cuts(bytes)
  equal(
    sizes.reduce((sum, size) => sum + size, 0),
    bytes.length,
  )
  for (const size of sizes.slice(0, -1)) ok(size >= MIN_CHUNK_BYTES && size <= MAX_CHUNK_BYTES, `${size}`)
  const average = bytes.length / sizes.length
  ok(average > 100 * 1024 && average < 180 * 1024, `average ${average}`)
})

test('an insertion changes the chunks near it and no others', () => {
  const bytes = seededBytes('insertion', 16 * 1024 * 1024)
  const before = ids(bytes)
  for (const at of [0, 1, 5_000_000, 11_111_111, bytes.length]) {
    const after = ids(Buffer.concat([bytes.subarray(0, at), Buffer.from('inserted'), bytes.subarray(at)]))
    const known = new Set(before)
    const fresh = after.filter((id) => !known.has(id)).length
    ok(fresh <= 3, `${fresh} of ${after.length} chunks are new after an insertion at ${at}`)
  }
})

test('zeros are cut at the maximum, and every such chunk is the same', () => {
  deepEqual(cuts(Buffer.alloc(3 * MAX_CHUNK_BYTES + 5)), [MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, MAX_CHUNK_BYTES, 5])
})

test('a file is cut as its bytes in memory are', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'sluice-chunker-'))
  t.after(() => rm(folder, { recursive: true }))
  const chunker = createChunker()
  for (const size of [0, 1, MIN_CHUNK_BYTES, 4 * MAX_CHUNK_BYTES, 9_999_999]) {
    const bytes = seededBytes(`file ${size}`, size)
    await writeFile(join(folder, 'file'), bytes)
    const file = await open(join(folder, 'file'))
    const found: string[] = []
    for await (const chunk of chunker.chunks(file)) found.push(sha256(chunk))
    await file.close()
    deepEqual(found, ids(bytes))
  }
})
