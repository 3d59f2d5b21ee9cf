/**
 * Imports a folder or an archive as one version of a package.
 *
 * Three parts, none of which holds the manifest:
 *   survey   look at everything once: refusals, losses, totals; nothing is stored before this is clean
 *   write    read what was seen: chunks the library lacks go into packs, entries into manifest pages
 *   locate   page by page: choose where each chunk lies, write layout pages
 * The heavy work is done by threads (`hands/`); this one only says what goes where.
 *
 * 1. What was read is what is imported: a file that changes on the way ends the import.
 * 2. A chunk that the library has is not stored again, unless the version would use less than 30 %
 *    of the pack it lies in (design §4.4): then it is copied, so that reading stays in few places.
 * 3. Every object is durable before the result names it. An import that ends early leaves whole
 *    packs that the index knows, for the next attempt, and nothing else of value.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  type ContentId,
  type ContentTarget,
  failed,
  ok,
  type PackageId,
  type Problem,
  ProblemError,
  problem,
  type Result,
  type StoredObject,
} from '@sluice/protocol'
import { createHands } from '../hands/hands.ts'
import type { TreeSurvey } from '../hands/jobs.ts'
import type { ChunkIndex } from '../pack/chunk-location.ts'
import { createPackWriter, FAST_LEVEL, SMALL_LEVEL } from '../pack/pack.ts'
import { fullDisk } from '../stores/disk-problem.ts'
import type { Store } from '../stores/store.ts'
import { folderSource } from './folder-source.ts'
import { locateVersion } from './locate-version.ts'
import { openMemory } from './memory.ts'
import { changedProblem } from './read-source.ts'
import type { ImportSource, OpenSource } from './source.ts'
import { writeTree } from './write-tree.ts'

export interface ImportOptions {
  /** Folder to import, as the site sees it; or another source. */
  folder: string | OpenSource
  packageId: PackageId
  version: number
  target: ContentTarget
  /** Paths that many programs on Windows cannot open end the import; otherwise they are among the losses. */
  refuseLongPaths?: boolean | undefined
  /** 32 bytes, the same for every version of the package. */
  packageKey: Uint8Array
  index: ChunkIndex
  store: Store
  /** Folder for packs that are being written; whoever owns it empties it at start. */
  stagingFolder: string
  randomBytes: (sizeBytes: number) => Uint8Array
  /** Smaller than 64 MiB in tests. */
  maxPackBytes?: number | undefined
  /** Where what was read is remembered for the next import of the same package (`import/memory.ts`). */
  memory?: { path: string; readAll: boolean; now: () => number } | undefined
  /** Threads that do the work; two to four unless given. */
  handCount?: number | undefined
  signal?: AbortSignal | undefined
  /** Everything was looked at and nothing is refused: so many files, symlinks and folders will be read. */
  onSurveyed?: ((entryCount: number) => void) | undefined
  /** Plain bytes of the folder read so far, and in all. */
  onProgress?: ((progress: { doneBytes: number; totalBytes: number }) => void) | undefined
}

export interface ImportedVersion {
  contentId: ContentId
  /** The manifest root: to be released in the catalogue, byte for byte. */
  root: Buffer
  /** The sealed layout root, an object like the pages. */
  layout: StoredObject
  /** Everything a distribution point must hold: packs, sealed pages, the sealed layout root. */
  objects: StoredObject[]
  /** Sealed bytes of the distinct frames that hold the version's chunks. */
  storedBytes: number
  /** Bytes of packs that this import added to the library. */
  addedBytes: number
  /** Files, symlinks and empty folders. */
  fileCount: number
  /** Plain bytes of all files. */
  totalBytes: number
  losses: string[]
}

/**
 * `CONTENT_NOT_SAFE`, `CONTENT_UNREADABLE`, `CONTENT_TOO_LARGE`, `CONTENT_CHANGED_DURING_IMPORT`,
 * `NO_SPACE`, and what the source and the store say. Throws the signal's reason when it is aborted.
 */
export async function importVersion(options: ImportOptions): Promise<Result<ImportedVersion>> {
  const { folder, signal, stagingFolder, memory: remembered } = options
  signal?.throwIfAborted()
  const beganMs = remembered?.now() ?? 0
  const hands = createHands(options.handCount)
  const stop = () => void hands.letGo()
  signal?.addEventListener('abort', stop, { once: true })
  const scratch = join(stagingFolder, `entries-${Buffer.from(options.randomBytes(8)).toString('hex')}`)
  // What goes to devices that have the version before is compressed better: it is little, and it is sent often.
  const level = options.version > 1 ? SMALL_LEVEL : FAST_LEVEL
  const packs = createPackWriter({ ...options, hands, level })
  const memory = remembered && openMemory(remembered.path, { beganMs, readAll: remembered.readAll })
  let source: ImportSource | undefined
  try {
    const open = typeof folder === 'string' ? folderSource(folder) : folder
    const opened = await open({
      hands,
      target: options.target,
      refuseLongPaths: options.refuseLongPaths,
      scratch,
      signal,
    })
    if (!opened.ok) return opened
    source = opened.value
    const refused = refusal(source.survey)
    if (refused !== undefined) return failed(refused)
    options.onSurveyed?.(source.survey.entryCount)
    const written = await writeTree(options, { source, hands, packs, memory })
    const located = await locateVersion(options, { packs, hands }, written)
    const added = await packs.finish()
    await memory?.keep()
    return ok({
      ...located,
      addedBytes: added.reduce((sum, pack) => sum + pack.sizeBytes, 0),
      fileCount: written.root.fileCount,
      totalBytes: written.root.totalBytes,
      losses: source.survey.losses,
    })
  } catch (error) {
    signal?.throwIfAborted()
    const expected = problemBehind(error, options, source !== undefined)
    if (expected !== undefined) return failed(expected)
    throw error
  } finally {
    signal?.removeEventListener('abort', stop)
    await hands.letGo()
    await packs.abandon()
    await memory?.close()
    await source?.close()
    await rm(scratch, { force: true })
  }
}

export function refusal({ refused, refusals }: TreeSurvey): Problem | undefined {
  if (refused === 0) return undefined
  const more = refused > refusals.length ? `; and ${refused - refusals.length} more` : ''
  return problem('CONTENT_NOT_SAFE', `${refusals.join('; ')}${more}.`)
}

/** The problem behind an error that an administrator can mend; undefined for every other one. */
function problemBehind(
  error: unknown,
  { folder, stagingFolder }: ImportOptions,
  surveyed: boolean,
): Problem | undefined {
  if (error instanceof ProblemError) return error.problem
  const full = fullDisk(error, stagingFolder)
  if (full !== undefined) return full
  const { code = '', path = '' } = error as NodeJS.ErrnoException
  if (typeof folder !== 'string' || !path.startsWith(folder)) return undefined
  // The survey has just seen it as a plain file or folder.
  if (surveyed && ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO'].includes(code)) return changedProblem(path)
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such folder or file',
    ENOTDIR: 'it is not a folder',
    EACCES: 'the site may not read it',
    EPERM: 'the site may not read it',
  }
  return reasons[code] === undefined ? undefined : problem('CONTENT_UNREADABLE', `${path}: ${reasons[code]}.`)
}
