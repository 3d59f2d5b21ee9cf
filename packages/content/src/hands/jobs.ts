/** What the threads of an import are asked, and what they answer. Bytes are moved, never copied: whoever sends them has them no more. */
import type { ContentTarget, Sha256 } from '@sluice/protocol'
import type { SealedFrame } from '../pack/frame-format.ts'

/** A stretch of a file on this machine: the whole of one in a folder, or where one lies in an image. */
export interface Part {
  path: string
  /** First byte, and the one after the last. */
  from: number
  to: number
  /** What is being cut ends at `to`; otherwise it goes on there and the last chunk stays uncut. */
  last: boolean
  /** What the file itself must be, or it has changed; undefined for an image that somebody else watches. */
  expect: { sizeBytes: number; stamp: string } | undefined
}

/** Chunks of one part, one after the other. */
export interface CutPart {
  /** The empty text stands for a hole: zeros. */
  ids: (Sha256 | '')[]
  sizes: number[]
}

export interface Reading {
  /** Bytes of all parts, one after the other; what was not cut yet is not counted. */
  bytes: ArrayBuffer
  /** In the order of the question; undefined for a file that is not what was expected. */
  parts: (CutPart | undefined)[]
}

/** What may be in an import. */
export interface ImportRules {
  target: ContentTarget
  refuseLongPaths?: boolean | undefined
}

/** What a first walk finds out before a byte is read. */
export interface TreeSurvey {
  entryCount: number
  totalBytes: number
  /** Of what may not be there: how many, and the first of them as text. */
  refused: number
  refusals: string[]
  /** What is not carried, each kind with its number and its first paths. */
  losses: string[]
}

export interface Jobs {
  /** Walks a folder and writes its entries, in their order, as lines of `entry-line.ts` into a file. */
  survey: { asked: ImportRules & { folder: string; list: string }; answer: TreeSurvey }
  /** Reads, cuts and hashes. */
  read: { asked: Part[]; answer: Reading }
  /** Cuts and hashes bytes that came from elsewhere; `last`: nothing follows them. Gives the bytes back. */
  cut: { asked: { bytes: ArrayBuffer; sizeBytes: number; last: boolean }; answer: CutPart & { bytes: ArrayBuffer } }
  /** Compresses and seals a frame; `hash` when it is known already. */
  seal: { asked: { plain: ArrayBuffer; hash?: Sha256; salt: Uint8Array; level: number }; answer: SealedFrame }
}

export type JobKind = keyof Jobs
export type Question = { [K in JobKind]: { id: number; kind: K; asked: Jobs[K]['asked'] } }[JobKind]
/** An error of the file system crosses with its code and path. */
export type Answer = { id: number } & (
  | { value: unknown }
  | { error: { message: string; code?: string; path?: string } }
)
