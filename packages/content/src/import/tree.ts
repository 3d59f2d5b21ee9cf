/**
 * The folder that is imported, as it stands on the disk of the site: walked in the order of
 * `comparePaths`, never through a symlink. What cannot be restored safely on the target is refused,
 * what is not carried is listed (design §4.1).
 */
import { type BigIntStats, lstatSync, readdirSync, readlinkSync } from 'node:fs'
import type { ContentTarget } from '@sluice/protocol'
import { MAX_PATH_BYTES, nameFault, nameKey, symlinkFault } from '../manifest/entry-path.ts'

interface TreeEntryCommon {
  path: string
  modifiedMs: number
}
export type TreeEntry =
  | (TreeEntryCommon & {
      kind: 'file'
      sizeBytes: number
      executable: boolean
      /** Of a file on this machine: another text means that somebody has touched it. */
      stamp: string
    })
  | (TreeEntryCommon & { kind: 'symlink'; target: string })
  /** Empty. */
  | (TreeEntryCommon & { kind: 'folder' })

export type Sighting =
  | { kind: 'entry'; entry: TreeEntry; losses: string[] }
  | { kind: 'refused'; path: string; reason: string }

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Every entry below a folder, and everything that may not be there. The folder itself is not an entry. */
export function* walkTree(folder: string, target: ContentTarget): Generator<Sighting, number> {
  return yield* walk(folder, '', target)
}

/** Returns how many entries the folder has itself. */
function* walk(folder: string, prefix: string, target: ContentTarget): Generator<Sighting, number> {
  const names: string[] = []
  const seen = new Map<string, string>()
  const found = readdirSync(folder, { encoding: 'buffer' })
  for (const bytes of found) {
    const { name, fault } = readName(bytes, target)
    const path = prefix + name
    const key = nameKey(name, target)
    const twin = seen.get(key)
    if (fault !== undefined) yield { kind: 'refused', path, reason: fault }
    else if (twin !== undefined) yield { kind: 'refused', path, reason: twinFault(prefix + twin) }
    else if (Buffer.byteLength(path) > MAX_PATH_BYTES)
      yield { kind: 'refused', path: `${path.slice(0, 200)}…`, reason: `longer than ${MAX_PATH_BYTES} bytes` }
    else {
      seen.set(key, name)
      names.push(name)
    }
  }
  // By UTF-16 code units, which is what `comparePaths` does within one name.
  names.sort()
  for (const name of names) yield* look(`${folder}/${name}`, prefix + name, target)
  return found.length
}

/** Why an entry may not stand beside the one at `path`. */
export const twinFault = (path: string): string => `the same file as ${JSON.stringify(path)} on Windows`

function* look(absolutePath: string, path: string, target: ContentTarget): Generator<Sighting> {
  const stats = lstatSync(absolutePath, { bigint: true })
  const modifiedMs = Number(stats.mtimeNs / 1_000_000n)
  const losses = lossesOf(stats)
  if (stats.isFile()) {
    const executable = (stats.mode & 0o111n) !== 0n
    const sizeBytes = Number(stats.size)
    yield {
      kind: 'entry',
      entry: { kind: 'file', path, modifiedMs, sizeBytes, executable, stamp: stampOf(stats) },
      losses,
    }
  } else if (stats.isSymbolicLink()) {
    const link = readSymlink(absolutePath)
    const fault = link === undefined ? 'a symlink whose target is not valid Unicode' : symlinkFault(link)
    if (link === undefined || fault !== undefined) yield { kind: 'refused', path, reason: fault ?? '' }
    else yield { kind: 'entry', entry: { kind: 'symlink', path, modifiedMs, target: link }, losses }
  } else if (stats.isDirectory()) {
    const count = yield* walk(absolutePath, `${path}/`, target)
    if (count === 0) yield { kind: 'entry', entry: { kind: 'folder', path, modifiedMs }, losses }
  } else yield { kind: 'refused', path, reason: specialKind(stats) }
}

/**
 * Changes with whatever is done to a file: the system sets the time of change itself, and no program
 * that may not set the clock can set it back.
 */
export const stampOf = (stats: BigIntStats): string =>
  [stats.dev, stats.ino, stats.mtimeNs, stats.ctimeNs].map((part) => part.toString(36)).join('.')

function readName(bytes: Buffer, target: ContentTarget): { name: string; fault: string | undefined } {
  try {
    const name = decoder.decode(bytes)
    return { name, fault: nameFault(name, target) }
  } catch {
    return { name: bytes.toString('utf8'), fault: 'a name that is not valid Unicode' }
  }
}

function readSymlink(path: string): string | undefined {
  const bytes = readlinkSync(path, { encoding: 'buffer' })
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
