/** What an import asks of the library: which chunks it has, and where. */
import type { ChunkIndex, ChunkLocation, PackInfo, WrittenPack } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'
import type { CompiledQuery, Insertable, Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'

/** Rows a statement: both databases bound the number of parameters. */
const BATCH = 1_000

const toBytes = (hash: Sha256): Uint8Array => Buffer.from(hash, 'hex')
/** Of a column that only `toBytes` writes. */
const toHash = ({ buffer, byteOffset, byteLength }: Uint8Array): Sha256 =>
  Buffer.from(buffer, byteOffset, byteLength).toString('hex') as Sha256

type ChunkRow = Insertable<Database['chunks']>

const rowOf = ({ id, sizeBytes, location }: WrittenPack['chunks'][number], pack: number): ChunkRow => ({
  id: toBytes(id),
  pack,
  size_bytes: sizeBytes,
  frame_offset: location.frameOffset,
  frame_bytes: location.frameBytes,
  frame_hash: location.frameHash === id ? null : toBytes(location.frameHash),
  offset_in_frame: location.offsetInFrame,
})

export interface LibraryIndex extends ChunkIndex {
  /** Where chunks lie in packs that hold what was rewritten, apart from these packs; any number of ids. */
  moved(ids: readonly Sha256[], apartFrom: ReadonlySet<Sha256>): Promise<Map<Sha256, ChunkLocation>>
}

/** @param options.rewritten packs that are written hold what lived in others */
export function createChunkIndex(options: { db: Kysely<Database>; clock: Clock; rewritten?: boolean }): LibraryIndex {
  const { db, clock, rewritten = false } = options

  async function rowsOf(ids: readonly Sha256[], which: 'all' | 'rewritten') {
    return await db
      .selectFrom('chunks')
      .innerJoin('packs', 'packs.number', 'chunks.pack')
      .select(['id', 'hash', 'frame_offset', 'frame_bytes', 'frame_hash', 'offset_in_frame'])
      .where('id', 'in', ids.map(toBytes))
      .$if(which === 'rewritten', (query) => query.where('rewritten', '=', 1))
      .orderBy('packs.number')
      .execute()
  }
  type Row = Awaited<ReturnType<typeof rowsOf>>[number]
  const locationOf = (row: Row, id: Sha256): ChunkLocation => ({
    pack: row.hash,
    frameOffset: row.frame_offset,
    frameBytes: row.frame_bytes,
    frameHash: row.frame_hash === null ? id : toHash(row.frame_hash),
    offsetInFrame: row.offset_in_frame,
  })
  const insertionOf = (rows: readonly ChunkRow[]): CompiledQuery => db.insertInto('chunks').values(rows).compile()

  /** Making a statement of thousands of parameters takes longer than running it: it is made once. */
  let template: CompiledQuery | undefined
  function wholeBatch(rows: readonly ChunkRow[]): CompiledQuery {
    template ??= { ...insertionOf(rows), parameters: [] }
    const parameters = rows.flatMap((row) => Object.values(row) as unknown[])
    return { ...template, parameters }
  }

  return {
    async find(ids) {
      const found = new Map<Sha256, ChunkLocation[]>()
      if (ids.length === 0) return found
      for (const row of await rowsOf([...new Set(ids)], 'all')) {
        const id = toHash(row.id)
        const location = locationOf(row, id)
        found.set(id, [...(found.get(id) ?? []), location])
      }
      return found
    },

    async moved(ids, apartFrom) {
      const found = new Map<Sha256, ChunkLocation>()
      for (let i = 0; i < ids.length; i += BATCH)
        for (const row of await rowsOf(ids.slice(i, i + BATCH), 'rewritten')) {
          const id = toHash(row.id)
          if (!apartFrom.has(row.hash)) found.set(id, locationOf(row, id))
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
          .values({ number, hash, size_bytes: sizeBytes, salt, created_at: clock.now(), rewritten: rewritten ? 1 : 0 })
          .execute()
        // In the order of the index of ids, whose pages then change one after the other.
        const ordered = chunks.toSorted((one, other) => (one.id < other.id ? -1 : 1))
        for (let i = 0; i < ordered.length; i += BATCH) {
          const rows = ordered.slice(i, i + BATCH).map((chunk) => rowOf(chunk, number))
          await trx.executeQuery(rows.length === BATCH ? wholeBatch(rows) : insertionOf(rows))
        }
      })
    },
  }
}
