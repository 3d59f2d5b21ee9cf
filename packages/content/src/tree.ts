/**
 * The folder that is imported, as it stands on the disk of the site: walked in the order of
 * `comparePaths`, never through a symlink. What cannot be restored safely on the target is refused,
 * what is not carried is listed (design §4.1).
 */
import type { BigIntStats } from 'node:fs'
import { lstat, readdir, readlink } from 'node:fs/promises'
import { join } from 'node:path'
import { type ContentTarget, failed, ok, problem, type Result } from '@sluice/protocol'
import { MAX_PATH_BYTES, nameFault, nameKey, symlinkFault } from './entry-path.ts'

interface TreeEntryCommon {
  path: string
  modifiedMs: number
}
export type TreeEntry =
  | (TreeEntryCommon & { kind: 'file'; absolutePath: string; sizeBytes: number; executable: boolean })
  | (TreeEntryCommon & { kind: 'symlink'; target: string })
  /** Empty. */
  | (TreeEntryCommon & { kind: 'folder' })

export type Sighting =
  | { kind: 'entry'; entry: TreeEntry; losses: string[] }
  | { kind: 'refused'; path: string; reason: string }

/** What a first walk finds out before a byte is read. */
export interface Survey {
  entryCount: number
  totalBytes: number
  /** What is not carried, each kind with its number and its first paths. */
  losses: string[]
}

const LISTED_REFUSALS = 100
const LISTED_LOSSES = 5
const AT_ONCE = 32

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Every entry below a folder, and everything that may not be there. The folder itself is not an entry. */
export async function* walkTree(folder: string, target: ContentTarget, signal?: AbortSignal): AsyncGenerator<Sighting> {
  yield* walk(folder, '', target, signal)
}

async function* walk(
  folder: string,
  prefix: string,
  target: ContentTarget,
  signal: AbortSignal | undefined,
): AsyncGenerator<Sighting> {
  const names: string[] = []
  const seen = new Map<string, string>()
  for (const bytes of await readdir(folder, { encoding: 'buffer' })) {
    const { name, fault } = readName(bytes, target)
    const path = prefix + name
    const key = nameKey(name, target)
    const twin = seen.get(key)
    if (fault !== undefined) yield { kind: 'refused', path, reason: fault }
    else if (twin !== undefined)
      yield { kind: 'refused', path, reason: `the same file as ${JSON.stringify(prefix + twin)} on Windows` }
    else if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      yield { kind: 'refused', path: `${path.slice(0, 200)}…`, reason: `longer than ${MAX_PATH_BYTES} bytes` }
    else {
      seen.set(key, name)
      names.push(name)
    }
  }
  // By UTF-16 code units, which is what `comparePaths` does within one name.
  names.sort()
  for (let i = 0; i < names.length; i += AT_ONCE) {
    signal?.throwIfAborted()
    const batch = names.slice(i, i + AT_ONCE)
    const found = await Promise.all(batch.map((name) => lstat(join(folder, name), { bigint: true })))
    for (const [j, stats] of found.entries())
      yield* look(join(folder, batch[j] as string), prefix + batch[j], stats, target, signal)
  }
}

async function* look(
  absolutePath: string,
  path: string,
  stats: BigIntStats,
  target: ContentTarget,
  signal: AbortSignal | undefined,
): AsyncGenerator<Sighting> {
  const modifiedMs = Number(stats.mtimeNs / 1_000_000n)
  const losses = lossesOf(stats)
  if (stats.isFile()) {
    const executable = (stats.mode & 0o111n) !== 0n
    const entry = { kind: 'file', path, modifiedMs, absolutePath, sizeBytes: Number(stats.size), executable } as const
    yield { kind: 'entry', entry, losses }
  } else if (stats.isSymbolicLink()) {
    const link = await readSymlink(absolutePath)
    const fault = link === undefined ? 'a symlink whose target is not valid Unicode' : symlinkFault(link)
    if (link === undefined || fault !== undefined) yield { kind: 'refused', path, reason: fault ?? '' }
    else yield { kind: 'entry', entry: { kind: 'symlink', path, modifiedMs, target: link }, losses }
  } else if (stats.isDirectory()) {
    let empty = true
    for await (const sighting of walk(absolutePath, `${path}/`, target, signal)) {
      empty = false
      yield sighting
    }
    if (empty) yield { kind: 'entry', entry: { kind: 'folder', path, modifiedMs }, losses }
  } else yield { kind: 'refused', path, reason: specialKind(stats) }
}

function readName(bytes: Buffer, target: ContentTarget): { name: string; fault: string | undefined } {
  try {
    const name = decoder.decode(bytes)
    return { name, fault: nameFault(name, target) }
  } catch {
    return { name: bytes.toString('utf8'), fault: 'a name that is not valid Unicode' }
  }
}

async function readSymlink(path: string): Promise<string | undefined> {
  const bytes = await readlink(path, { encoding: 'buffer' })
  try {
    return decoder.decode(bytes)
  } catch {
    return undefined
  }
}

function specialKind(stats: BigIntStats): string {
  if (stats.isFIFO()) return 'a named pipe'
  if (stats.isSocket()) return 'a socket'
  return 'a device file'
}

function lossesOf(stats: BigIntStats): string[] {
  if (process.platform === 'win32') return []
  const losses: string[] = []
  if (stats.isFile() && (stats.mode & 0o6000n) !== 0n) losses.push('setuid or setgid bit')
  if (stats.isFile() && stats.nlink > 1n) losses.push('hard link (carried as a file of its own)')
  if (stats.uid !== BigInt(process.geteuid?.() ?? 0)) losses.push('owner')
  return losses
}

/** Walks once for refusals, losses and totals. `CONTENT_NOT_SAFE`, `CONTENT_UNREADABLE`. */
export async function surveyTree(folder: string, target: ContentTarget, signal?: AbortSignal): Promise<Result<Survey>> {
  const refusals: string[] = []
  const losses = new Map<string, { count: number; paths: string[] }>()
  let refused = 0
  let entryCount = 0
  let totalBytes = 0
  try {
    for await (const sighting of walkTree(folder, target, signal)) {
      if (sighting.kind === 'refused') {
        if (refused++ < LISTED_REFUSALS) refusals.push(`${JSON.stringify(sighting.path)}: ${sighting.reason}`)
        continue
      }
      entryCount++
      if (sighting.entry.kind === 'file') totalBytes += sighting.entry.sizeBytes
      for (const loss of sighting.losses) {
        const noted = losses.get(loss) ?? { count: 0, paths: [] }
        if (noted.count++ < LISTED_LOSSES) noted.paths.push(sighting.entry.path)
        losses.set(loss, noted)
      }
    }
  } catch (error) {
    const unreadable = unreadableProblem(error)
    if (unreadable !== undefined) return failed(unreadable)
    throw error
  }
  if (refused > 0) {
    const more = refused > refusals.length ? `; and ${refused - refusals.length} more` : ''
    return failed(problem('CONTENT_NOT_SAFE', `${refusals.join('; ')}${more}.`))
  }
  return ok({ entryCount, totalBytes, losses: [...losses].map(([what, noted]) => describeLoss(what, noted)) })
}

const describeLoss = (what: string, { count, paths }: { count: number; paths: string[] }): string =>
  `${what}: ${count} ${count === 1 ? 'entry' : 'entries'}, ${count > paths.length ? 'first ' : ''}${paths.join(', ')}`

/** The problem behind an error of the file system that an administrator can mend; undefined for every other one. */
export function unreadableProblem(error: unknown) {
  if (!(error instanceof Error) || !('code' in error) || !('path' in error)) return undefined
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such folder or file',
    ENOTDIR: 'it is not a folder',
    EACCES: 'the site may not read it',
    EPERM: 'the site may not read it',
  }
  const reason = reasons[String(error.code)]
  return reason === undefined ? undefined : problem('CONTENT_UNREADABLE', `${String(error.path)}: ${reason}.`)
}
