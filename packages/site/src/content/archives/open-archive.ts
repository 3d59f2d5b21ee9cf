/** Which archives can be imported, and how each is opened. An archive is a file that the site can read. */
import { stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { type OpenSource, type SourceEntry, stampOf } from '@sluice/content'
import { failed, ProblemError, problem } from '@sluice/protocol'
import { isoSource } from './iso-source.ts'
import { compressedTarSource, tarSource } from './tar-source.ts'
import { zipSource } from './zip-source.ts'

/** An archive as a source sees it. */
export interface Archive {
  path: string
  sizeBytes: number
}

const kinds: [RegExp, (archive: Archive) => OpenSource][] = [
  [/\.zip$/i, zipSource],
  [/\.iso$/i, isoSource],
  [/\.tar$/i, tarSource],
  [/\.(tar\.gz|tgz)$/i, (archive) => compressedTarSource(archive, 'gzip')],
  [/\.(tar\.zst|tzst)$/i, (archive) => compressedTarSource(archive, 'zstd')],
  [/\.(tar\.xz|txz)$/i, (archive) => compressedTarSource(archive, 'xz')],
]

/** What a file of another name is told. */
export const archiveNames = '.zip, .iso, .tar, .tar.gz, .tar.zst or .tar.xz'

export const isArchiveName = (path: string): boolean => kinds.some(([name]) => name.test(path))

/** The archive as a source. What is wrong with it is `CONTENT_UNREADABLE`; that it changed meanwhile, `CONTENT_CHANGED_DURING_IMPORT`. */
export const archiveSource =
  (path: string): OpenSource =>
  async (place) => {
    const kind = kinds.find(([name]) => name.test(path))?.[1]
    if (kind === undefined)
      return failed(problem('CONTENT_UNREADABLE', `${path}: it is neither a folder nor ${archiveNames}.`))
    try {
      const before = await stat(path, { bigint: true })
      const opened = await kind({ path, sizeBytes: Number(before.size) })(place)
      if (!opened.ok) return opened
      const { value } = opened
      return {
        ok: true,
        value: {
          ...value,
          async *entries() {
            try {
              for await (const found of value.entries()) yield guarded(path, found)
            } catch (error) {
              throw unreadable(path, error)
            }
            if (stampOf(await stat(path, { bigint: true })) !== stampOf(before))
              throw new ProblemError(problem('CONTENT_CHANGED_DURING_IMPORT', `${path} changed while it was read.`))
          },
        },
      }
    } catch (error) {
      const { problem } = unreadable(path, error)
      return failed(problem)
    }
  }

/** The same entry, whose stream breaks with a problem. */
function guarded(path: string, found: SourceEntry): SourceEntry {
  const { bytes } = found
  if (bytes?.kind !== 'stream') return found
  const open = async () => Readable.from(guard(path, await bytes.open()), { objectMode: true })
  return { ...found, bytes: { kind: 'stream', open } }
}

async function* guard(path: string, stream: Readable): AsyncGenerator<Uint8Array> {
  try {
    for await (const piece of stream) yield piece as Uint8Array
  } catch (error) {
    throw unreadable(path, error)
  }
}

/** What decoders say, for people. */
const inPlainWords: [RegExp, string][] = [
  [/^End of central directory record signature not found/, 'it is no zip archive, or it is cut off'],
  [/^unexpected end of file/i, 'it is cut off'],
  [/^incorrect header check|^unknown frame descriptor/i, 'it is not compressed as its name says'],
  [/^invalid |^incorrect |doesn't match checksum|corrupt/i, 'its compressed bytes are damaged'],
]

/** Whatever a reader of archives throws is about the archive. */
function unreadable(path: string, error: unknown): ProblemError {
  if (error instanceof ProblemError) return error
  const reason = error instanceof Error ? error.message : String(error)
  const words = inPlainWords.find(([theirs]) => theirs.test(reason))?.[1] ?? reason.replace(/\.+$/, '')
  return new ProblemError(problem('CONTENT_UNREADABLE', `${path}: ${words}.`), { cause: error })
}
