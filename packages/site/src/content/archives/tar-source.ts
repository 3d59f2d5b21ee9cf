/**
 * Tar archives. A plain one is read like a folder: where each file lies is known after the first look. A
 * compressed one can only be read from its beginning, so it is decompressed twice: once to look, once to
 * read. Neither is ever unpacked on the disk.
 */
import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { createGunzip, createZstdDecompress, constants as zlib } from 'node:zlib'
import type { OpenSource, SourceEntry } from '@sluice/content'
import { ok, ProblemError, problem } from '@sluice/protocol'
import { type ArchiveEntry, type ArchiveTree, createArchiveTree } from './archive-tree.ts'
import type { Archive } from './open-archive.ts'
import { createTarReader, type TarHeader, type TarReader } from './tar-reader.ts'
import { openXz } from './xz-stream.ts'

export type Compression = 'gzip' | 'zstd' | 'xz'

const READ_BYTES = 1024 * 1024
const MiB = 1024 * 1024
/** Largest window of zstd that is decoded, as `zstd -d` without more words. */
const MAX_WINDOW_BYTES = 128 * MiB
const WINDOW_TOO_LARGE = 'ZSTD_error_frameParameter_windowTooLarge'

const specialKinds: Record<string, string> = { '3': 'a device file', '4': 'a device file', '6': 'a named pipe' }

export const tarSource =
  ({ path, sizeBytes }: Archive): OpenSource =>
  async ({ target, refuseLongPaths, signal }) => {
    const tree = createArchiveTree({ target, refuseLongPaths }, sizeBytes)
    const reader = createTarReader(createReadStream(path, { highWaterMark: READ_BYTES, signal }))
    await look(tree, reader, (header) => ({ kind: 'stretch', path, from: header.offset, watched: false }))
    const { survey, entries } = tree.finish('path')
    return ok({ survey, sorted: true, entries: () => Readable.from(entries), close: async () => {} })
  }

export const compressedTarSource =
  ({ path, sizeBytes }: Archive, compression: Compression): OpenSource =>
  async ({ target, refuseLongPaths, signal }) => {
    // An archive is not always read to its end.
    const closed = new AbortController()
    const until = signal === undefined ? closed.signal : AbortSignal.any([signal, closed.signal])
    const openReader = () => createTarReader(decompress(path, compression, until))
    const tree = createArchiveTree({ target, refuseLongPaths }, sizeBytes)
    await look(tree, openReader(), () => ({
      kind: 'stream',
      open: () => Promise.reject(new Error('a file of the archive is read out of its order')),
    }))
    const { survey, entries } = tree.finish('archive')
    return ok({
      survey,
      sorted: false,
      entries: () => inOrder(openReader(), entries),
      close: async () => closed.abort(),
    })
  }

/** The entries again, each with the body that the reader has come to. */
async function* inOrder(reader: TarReader, entries: readonly SourceEntry[]): AsyncGenerator<SourceEntry> {
  let header = await reader.next()
  for (const found of entries) {
    if (found.bytes?.kind !== 'stream') {
      yield found
      continue
    }
    // The looking has taken each of these in the same order.
    while (header !== undefined && !(isFile(header) && header.sizeBytes > 0)) header = await reader.next()
    if (header === undefined || header.sizeBytes !== (found.entry.kind === 'file' ? found.entry.sizeBytes : -1))
      throw new ProblemError(problem('CONTENT_CHANGED_DURING_IMPORT', `${found.entry.path} changed while it was read.`))
    yield { ...found, bytes: { kind: 'stream', open: async () => Readable.from(reader.body(), { objectMode: true }) } }
    header = await reader.next()
  }
}

type BytesOf = (header: TarHeader) => (ArchiveEntry['what'] & { kind: 'file' })['bytes']

async function look(tree: ArchiveTree, reader: TarReader, bytesOf: BytesOf): Promise<void> {
  for (let header = await reader.next(); header !== undefined; header = await reader.next()) {
    const { path, modifiedMs, mode, uid } = header
    const losses = [
      ...(isFile(header) && (mode & 0o6000) !== 0 ? ['setuid or setgid bit'] : []),
      ...(header.type === '1' ? ['hard link (carried as a file of its own)'] : []),
      ...(uid !== 0 ? ['owner'] : []),
    ]
    tree.add({ path, modifiedMs, losses, what: whatIs(header, bytesOf) })
  }
}

const isFile = ({ type }: TarHeader): boolean => type === '0' || type === '7'

function whatIs(header: TarHeader, bytesOf: BytesOf): ArchiveEntry['what'] {
  const { type, sizeBytes, mode, linkPath } = header
  if (header.sparse) return { kind: 'refused', reason: 'a sparse file in a way that only tar itself reads' }
  // Before POSIX a folder was a file whose name ends with a slash.
  if (type === '5' || (type === '0' && header.path.endsWith('/'))) return { kind: 'folder' }
  if (isFile(header)) return { kind: 'file', sizeBytes, executable: (mode & 0o111) !== 0, bytes: bytesOf(header) }
  if (type === '2') return { kind: 'symlink', target: linkPath }
  if (type === '1') return { kind: 'link', target: linkPath }
  return { kind: 'refused', reason: specialKinds[type] ?? `an entry of the unknown kind ${JSON.stringify(type)}` }
}

function decompress(
  path: string,
  compression: Compression,
  signal: AbortSignal | undefined,
): AsyncIterable<Uint8Array> {
  if (compression === 'xz') return openXz(path, signal)
  const file = createReadStream(path, { highWaterMark: READ_BYTES, signal })
  const through =
    compression === 'gzip'
      ? createGunzip({ chunkSize: READ_BYTES })
      : createZstdDecompress({
          chunkSize: READ_BYTES,
          params: { [zlib.ZSTD_d_windowLogMax]: Math.log2(MAX_WINDOW_BYTES) },
        })
  file.on('error', (error) => through.destroy(error))
  return windowBounded(path, file.pipe(through))
}

/** The same bytes; a window that is too large is `ARCHIVE_NEEDS_MEMORY`. */
async function* windowBounded(path: string, plain: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* plain
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === WINDOW_TOO_LARGE)) throw error
    const most = `${MAX_WINDOW_BYTES / MiB} MiB`
    throw new ProblemError(problem('ARCHIVE_NEEDS_MEMORY', `${path}: its window is larger than ${most}.`))
  }
}
