/** Where chunks lie, and what the library of a site knows about that. */
import type { Sha256 } from '@sluice/protocol'

/** Where one chunk lies now. Its frame is the bytes `frameOffset` to `frameOffset + frameBytes` of the pack. */
export interface ChunkLocation {
  pack: Sha256
  frameOffset: number
  /** Sealed size of the frame. */
  frameBytes: number
  /** SHA-256 of the frame's plain bytes. */
  frameHash: Sha256
  /** Where the chunk begins in the frame's plain bytes. */
  offsetInFrame: number
}

export interface PackInfo {
  hash: Sha256
  sizeBytes: number
  /** 32 random bytes: opens the pack's frames together with their plain hashes. */
  salt: Uint8Array
}

/** A pack that is durable in the store, with every chunk that lies in it. */
export interface WrittenPack extends PackInfo {
  chunks: { id: Sha256; sizeBytes: number; location: ChunkLocation }[]
}

/** What an import must know about a library and tell it. Implemented by the site's database. */
export interface ChunkIndex {
  /** Every known location of each chunk; a chunk that the library lacks is not in the map. At most 1,000 ids. */
  find(ids: Sha256[]): Promise<Map<Sha256, ChunkLocation[]>>
  /** Of packs that `find` named. */
  packs(hashes: Sha256[]): Promise<Map<Sha256, PackInfo>>
  /** Called once the pack's bytes are durable; the chunks may be found from now on. */
  packWritten(pack: WrittenPack): Promise<void>
}
