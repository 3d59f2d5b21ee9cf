/**
 * Zip archives, zip64 too. The list at their end says where everything is, so files are read in the order of
 * their paths, each decompressed as it is read.
 */
import { Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { crc32 } from 'node:zlib'
import type { OpenSource } from '@sluice/content'
import { type ContentTarget, ok, ProblemError, problem } from '@sluice/protocol'
import { type Entry, getFileNameLowLevel, openPromise, type ZipFile } from 'yauzl'
import { type ArchiveEntry, createArchiveTree } from './archive-tree.ts'
import type { Archive } from './open-archive.ts'

const UNIX = 3
const STORED = 0
const DEFLATED = 8
const KIND_MASK = 0o170000
const SYMLINK = 0o120000
const FOLDER = 0o040000
/** As much as a symlink's text may be. */
const MAX_LINK_BYTES = 4096

export const zipSource =
  ({ path, sizeBytes }: Archive): OpenSource =>
  async ({ target, refuseLongPaths }) => {
    const zip = await openPromise(path, { autoClose: false, decodeStrings: false, validateEntrySizes: true })
    try {
      const tree = createArchiveTree({ target, refuseLongPaths }, sizeBytes)
      let packedBytes = 0
      for await (const entry of zip.eachEntry()) {
        packedBytes += entry.compressedSize
        // Entries that share their bytes are how a small archive claims to be endless.
        if (packedBytes > sizeBytes)
          throw new ProblemError(problem('CONTENT_TOO_LARGE', `${path}: its files overlap each other.`))
        tree.add(await archiveEntry(zip, entry, target))
      }
      const { survey, entries } = tree.finish('path')
      return ok({ survey, sorted: true, entries: () => Readable.from(entries), close: async () => zip.close() })
    } catch (error) {
      zip.close()
      throw error
    }
  }

async function archiveEntry(zip: ZipFile, entry: Entry, target: ContentTarget): Promise<ArchiveEntry> {
  // The standard wants slashes; some programs on Windows write backslashes, which are names elsewhere.
  const strict = target === 'linux'
  const flags = entry.generalPurposeBitFlag
  const path = getFileNameLowLevel(flags, entry.fileNameRaw ?? entry.fileName, entry.extraFields, strict)
  const modifiedMs = entry.getLastModDate().getTime()
  const mode = entry.versionMadeBy >>> 8 === UNIX ? entry.externalFileAttributes >>> 16 : 0
  const common = { path, modifiedMs }
  if (path.endsWith('/') || (mode & KIND_MASK) === FOLDER) return { ...common, what: { kind: 'folder' } }
  if (entry.isEncrypted()) return { ...common, what: { kind: 'refused', reason: 'encrypted' } }
  if (entry.compressionMethod !== STORED && entry.compressionMethod !== DEFLATED)
    return { ...common, what: { kind: 'refused', reason: `compressed by method ${entry.compressionMethod}` } }
  if ((mode & KIND_MASK) === SYMLINK) {
    if (entry.uncompressedSize > MAX_LINK_BYTES)
      return { ...common, what: { kind: 'refused', reason: 'a symlink that is too long' } }
    const text = Buffer.concat((await (await openEntry(zip, entry, path)).toArray()) as Buffer[]).toString('utf8')
    return { ...common, what: { kind: 'symlink', target: text } }
  }
  return {
    ...common,
    ...((mode & 0o6000) === 0 ? {} : { losses: ['setuid or setgid bit'] }),
    what: {
      kind: 'file',
      sizeBytes: entry.uncompressedSize,
      executable: (mode & 0o111) !== 0,
      bytes: { kind: 'stream', open: () => openEntry(zip, entry, path) },
    },
  }
}

/** The plain bytes of an entry; the stream breaks when they are not the ones that the archive was made of. */
async function openEntry(zip: ZipFile, entry: Entry, path: string): Promise<Readable> {
  const source = await zip.openReadStreamPromise(entry)
  let sum = 0
  const checked = new Transform({
    transform(piece: Buffer, _encoding, done) {
      sum = crc32(piece, sum)
      done(null, piece)
    },
    flush: (done) => done(sum === entry.crc32 ? null : new Error(`${path} is damaged: its checksum is another`)),
  })
  // A failure breaks the stream that the caller reads.
  pipeline(source, checked).catch(() => undefined)
  return checked
}
