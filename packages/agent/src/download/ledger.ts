/**
 * What of a download is durable: for each page of the manifest, which of its chunks lie flushed in the
 * folder. A resume reads and hashes only what the ledger does not have; the ledger never makes bytes
 * right, it only saves looking.
 */
import type { EntryId } from '../cache/entry.ts'
import type { State } from '../state/state.ts'

export interface Ledger {
  /** Bits by the index of the chunk in its page. */
  read(entryId: EntryId, page: number): ChunkBits
  /** Durable when it returns. Call it when what the bits say is flushed. */
  write(entryId: EntryId, page: number, bits: ChunkBits): void
  /** The content is complete, or gone. */
  forget(entryId: EntryId): void
}

export interface ChunkBits {
  has(index: number): boolean
  add(index: number): void
  bytes(): Uint8Array
}

export function createLedger({ db }: Pick<State, 'db'>): Ledger {
  const select = db.prepare('SELECT chunks FROM download_page WHERE content_id = ? AND page = ?')
  const upsert = db.prepare(
    'INSERT INTO download_page (content_id, page, chunks) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET chunks = excluded.chunks',
  )
  const remove = db.prepare('DELETE FROM download_page WHERE content_id = ?')
  return {
    read(entryId, page) {
      const bytes = select.get(entryId, page)?.chunks
      return createBits(bytes instanceof Uint8Array ? bytes : new Uint8Array(0))
    },
    write: (entryId, page, bits) => void upsert.run(entryId, page, bits.bytes()),
    forget: (entryId) => void remove.run(entryId),
  }
}

function createBits(first: Uint8Array): ChunkBits {
  let bytes = first
  return {
    has: (index) => ((bytes[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
    add(index) {
      const at = index >> 3
      if (at >= bytes.length) {
        const longer = new Uint8Array(Math.max(at + 1, bytes.length * 2))
        longer.set(bytes)
        bytes = longer
      }
      bytes[at] = (bytes[at] ?? 0) | (1 << (index & 7))
    },
    bytes: () => bytes,
  }
}
