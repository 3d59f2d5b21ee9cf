/**
 * Names of what the cache holds: a whole content, or some files of it. A part is an entry of its own, so
 * that nothing ever changes in a folder that a step was given; what two entries share is copied.
 */
import { sha256 } from '@sluice/content'
import { ContentId } from '@sluice/protocol'

declare const entry: unique symbol
/** Name of a folder: the content id, and for a part what stands for its files. */
export type EntryId = string & { [entry]: true }

const PART = /^([0-9a-f]{64})(-[0-9a-f]{16})?$/

/** @param files patterns of the files, in any order; undefined: all of them */
export function entryIdOf(contentId: ContentId, files?: readonly string[]): EntryId {
  if (files === undefined) return contentId as string as EntryId
  const named = sha256(Buffer.from(JSON.stringify([...new Set(files)].sort())))
  return `${contentId}-${named.slice(0, 16)}` as EntryId
}

/** Undefined when the text names no entry. */
export function readEntryId(text: string): { entryId: EntryId; contentId: ContentId; part: boolean } | undefined {
  const [, id, part] = PART.exec(text) ?? []
  if (id === undefined) return undefined
  return { entryId: text as EntryId, contentId: ContentId.parse(id), part: part !== undefined }
}
