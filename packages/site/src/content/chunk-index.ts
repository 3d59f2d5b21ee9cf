/** What an import asks of the library: which chunks it has, and where. */
import type { ChunkIndex, ChunkLocation, PackInfo } from '@sluice/content'
import { Sha256 } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'

/** Rows a statement: both databases bound the number of parameters. */
const BATCH = 1_000

const toBytes = (hash: Sha256): Uint8Array => Buffer.from(hash, 'hex')
const toHash = (bytes: Uint8Array): Sha256 => Sha256.parse(Buffer.from(bytes).toString('hex'))

export function createChunkIndex({ db, clock }: { db: Kysely<Database>; clock: Clock }): ChunkIndex {
  return {
    async find(ids) {
      const found = new Map<Sha256, ChunkLocation[]>()
      if (ids.length === 0) return found
      const rows = await db
        .selectFrom('chunks')
        .innerJoin('packs', 'packs.number', 'chunks.pack')
        .select(['id', 'hash', 'frame_offset', 'frame_bytes', 'frame_hash', 'offset_in_frame'])
        .where('id', 'in', [...new Set(ids)].map(toBytes))
        .orderBy('packs.number')
        .execute()
      for (const row of rows) {
        const id = toHash(row.id)
        const location: ChunkLocation = {
          pack: row.hash,
          frameOffset: row.frame_offset,
          frameBytes: row.frame_bytes,
          frameHash: row.frame_hash === null ? id : toHash(row.frame_hash),
          offsetInFrame: row.offset_in_frame,
        }
        found.set(id, [...(found.get(id) ?? []), location])
      }
      return found
    },

    async packs(hashes) {
      const packs = new Map<Sha256, PackInfo>()
      for (let i = 0; i < hashes.length; i += BATCH) {
        const batch = hashes.slice(i, i + BATCH)
        const rows = await db
          .selectFrom('packs')
          .select(['hash', 'size_bytes', 'salt'])
          .where('hash', 'in', batch)
          .execute()
        for (const { hash, size_bytes, salt } of rows) packs.set(hash, { hash, sizeBytes: size_bytes, salt })
      }
      return packs
    },

    async packWritten({ hash, sizeBytes, salt, chunks }) {
      await db.transaction().execute(async (trx) => {
        const number = await nextNumbers(trx, 'packs', 1)
        await trx
          .insertInto('packs')
          .values({ number, hash, size_bytes: sizeBytes, salt, created_at: clock.now() })
          .execute()
        for (let i = 0; i < chunks.length; i += BATCH)
          await trx
            .insertInto('chunks')
            .values(
              chunks.slice(i, i + BATCH).map(({ id, sizeBytes, location }) => ({
                id: toBytes(id),
                pack: number,
                size_bytes: sizeBytes,
                frame_offset: location.frameOffset,
                frame_bytes: location.frameBytes,
                frame_hash: location.frameHash === id ? null : toBytes(location.frameHash),
                offset_in_frame: location.offsetInFrame,
              })),
            )
            .execute()
      })
    },
  }
}
