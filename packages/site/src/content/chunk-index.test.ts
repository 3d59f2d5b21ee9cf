import assert from 'node:assert/strict'
import type { WrittenPack } from '@sluice/content'
import { sha256 } from '@sluice/content'
import { onEveryDatabase } from '../db/testing.ts'
import { createChunkIndex } from './chunk-index.ts'

const idOf = (name: string) => sha256(Buffer.from(name))

/** Every third chunk is a frame of its own, the others share one. */
function packOf(name: string, chunkCount: number): WrittenPack {
  const hash = idOf(name)
  const chunks = Array.from({ length: chunkCount }, (_, i) => {
    const id = idOf(`chunk ${i}`)
    const frameHash = i % 3 === 0 ? id : idOf(`${name} shared`)
    return {
      id,
      sizeBytes: 100 + i,
      location: { pack: hash, frameOffset: 16, frameBytes: 999, frameHash, offsetInFrame: i },
    }
  })
  return { hash, sizeBytes: 5000, salt: Buffer.alloc(32, 7), chunks }
}

onEveryDatabase('thousands of chunks of several packs are found where they lie', async (db) => {
  const index = createChunkIndex({ db, clock: { now: () => 0 } })
  const packs = [packOf('one', 2_345), packOf('other', 1_000)]
  for (const pack of packs) await index.packWritten(pack)
  for (let i = 0; i < 2_345; i += 900) {
    const ids = Array.from({ length: 900 }, (_, n) => idOf(`chunk ${i + n}`))
    const found = await index.find(ids)
    for (const id of ids) {
      const expected = packs.flatMap(({ chunks }) =>
        chunks.filter((chunk) => chunk.id === id).map((one) => one.location),
      )
      assert.deepEqual(found.get(id) ?? [], expected)
    }
  }
})
