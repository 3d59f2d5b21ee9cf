/**
 * Where an import takes its entries from: a folder here, archives elsewhere. A source has looked at
 * everything before it gives anything, so a refusal comes before the first byte is stored.
 */
import type { Readable } from 'node:stream'
import type { Result } from '@sluice/protocol'
import type { Hands } from '../hands/hands.ts'
import type { ImportRules, TreeSurvey } from '../hands/jobs.ts'
import type { TreeEntry } from './tree.ts'

/** Where the bytes of a file are. */
export type FileBytes =
  /** In a file on this machine that the import's threads read themselves. */
  | { kind: 'stretch'; path: string; from: number; watched: boolean }
  /** Made while they are read; `open` is called once, and the stream is read before the next entry is asked for. */
  | { kind: 'stream'; open(): Promise<Readable> }
  /** Those of a file before it; in a source that is not sorted. */
  | { kind: 'same'; path: string }

export interface SourceEntry {
  entry: TreeEntry
  /** Of a file that is not empty. */
  bytes?: FileBytes
}

export interface ImportSource {
  survey: TreeSurvey
  /** Entries come in the order of `comparePaths`; otherwise in the order in which they are quickest. */
  sorted: boolean
  /** Can be gone through once. */
  entries(): AsyncIterable<SourceEntry>
  close(): Promise<void>
}

/**
 * Opens a source and looks at everything in it. Expected failures are values; `CONTENT_NOT_SAFE` comes
 * from the survey.
 * @param scratch a path of a file that it may make; the import removes it
 */
export type OpenSource = (
  place: ImportRules & { hands: Hands; scratch: string; signal?: AbortSignal | undefined },
) => Promise<Result<ImportSource>>
