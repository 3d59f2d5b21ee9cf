/**
 * Where packs and pages lie: write-once objects named by the SHA-256 of their bytes. Folder, Azure
 * Blob and S3 stores pass one contract suite (`testing/store-contract.ts`).
 */
import type { FileHandle } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { ObjectKind, Result, Sha256, StoredObject } from '@sluice/protocol'

export interface ObjectName {
  kind: ObjectKind
  hash: Sha256
}

/** Half-open: `start` to `end` exclusive, in bytes. */
export interface ByteRange {
  start: number
  end: number
}

export interface Store {
  has(name: ObjectName): Promise<boolean>
  /**
   * Stores bytes under their name unless they are there. Hashes while it writes and publishes
   * nothing that does not match; durable when it returns. A stream is destroyed in any case.
   *
   * `CONTENT_CORRUPT` when the bytes are others or too many, `CONTENT_SOURCE_FAILED` when the stream
   * breaks (or the problem of a `ProblemError` that it breaks with), `NO_SPACE`. Throws the signal's
   * reason when it is aborted.
   */
  put(name: ObjectName, bytes: Readable | Uint8Array, signal?: AbortSignal): Promise<Result<{ existed: boolean }>>
  /**
   * Takes a file over as an object, when the store can without reading it: whoever wrote it has hashed what
   * it wrote and flushed it. True when the object is durable and the file is gone; otherwise nothing happened.
   */
  adopt?(name: ObjectName, path: string): Promise<boolean>
  /** Streams an object or a range of it; `PACK_GONE` when it is not there. */
  get(
    name: ObjectName,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<Result<{ body: Readable; totalBytes: number }>>
  /** In no order. */
  list(kind: ObjectKind): AsyncIterable<StoredObject>
  /** Throws the signal's reason when it is aborted before the object is gone; then it may be gone or not. */
  delete(name: ObjectName, signal?: AbortSignal): Promise<void>
}

/** A store whose objects are files: whoever serves them reads into buffers of its own, without a stream. */
export interface FileStore extends Store {
  /** Opens an object for reading; `PACK_GONE` when it is not there. The caller closes the file. */
  openFile(name: ObjectName): Promise<Result<{ file: FileHandle; sizeBytes: number }>>
}
