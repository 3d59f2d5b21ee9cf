/**
 * A store in a folder: `packs/<2 hex>/<hash>` and `pages/<2 hex>/<hash>`.
 *
 * 1. A final name appears only after every byte was hashed, flushed and found right; of a file that is
 *    taken over (`adopt`), by whoever wrote it.
 * 2. An object is never written again, and readers keep the file they opened.
 * 3. What broke off lies in `partial/` and is removed at the next opening; so a folder belongs to
 *    one process at a time (its owner holds the lock of the data folder).
 */
import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import {
  failed,
  MAX_PACK_BYTES,
  MAX_ROOT_BYTES,
  type ObjectKind,
  ok,
  ProblemError,
  problem,
  type Result,
  Sha256,
  type StoredObject,
} from '@sluice/protocol'
import { createFile, syncFolder } from './atomic-file.ts'
import { fullDisk } from './disk-problem.ts'
import { sourceOf } from './source.ts'
import type { ByteRange, FileStore, ObjectName } from './store.ts'

/** Sealed roots are a little larger than plain ones. */
const maxBytes = { pack: MAX_PACK_BYTES, page: MAX_ROOT_BYTES + 4096 } as const
const folders = { pack: 'packs', page: 'pages' } as const
const READ_BYTES = 256 * 1024

/** Opens a folder as a store, creating it where needed; removes what broken-off writes left. */
export async function openFolderStore(folder: string): Promise<FileStore> {
  const partial = join(folder, 'partial')
  await rm(partial, { recursive: true, force: true })
  for (const name of [partial, join(folder, folders.pack), join(folder, folders.page)])
    await mkdir(name, { recursive: true, mode: 0o700 })
  await syncFolder(folder)
  return new DirectoryStore(folder, partial)
}

class DirectoryStore implements FileStore {
  readonly #folder: string
  readonly #partial: string
  #writes = 0

  constructor(folder: string, partial: string) {
    this.#folder = folder
    this.#partial = partial
  }

  async has(name: ObjectName): Promise<boolean> {
    return (await sizeOf(this.#path(name))) !== undefined
  }

  async put(
    name: ObjectName,
    bytes: Readable | Uint8Array,
    signal?: AbortSignal,
  ): Promise<Result<{ existed: boolean }>> {
    const source = sourceOf(bytes, signal)
    const temporary = join(this.#partial, `${name.hash}-${++this.#writes}`)
    try {
      signal?.throwIfAborted()
      const path = this.#path(name)
      if (await this.has(name)) return ok({ existed: true })
      const wrong = await writeVerified(temporary, source, name, signal)
      if (wrong !== undefined) return failed(wrong)
      await this.#publish(temporary, path)
      return ok({ existed: false })
    } catch (error) {
      const full = fullDisk(error, this.#folder)
      if (full !== undefined) return failed(full)
      throw error
    } finally {
      source.destroy()
      await rm(temporary, { force: true })
    }
  }

  async adopt(name: ObjectName, path: string): Promise<boolean> {
    try {
      if (await this.has(name)) await rm(path)
      else await this.#publish(path, this.#path(name))
      return true
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'EXDEV') return false
      throw error
    }
  }

  async openFile(name: ObjectName): Promise<Result<{ file: FileHandle; sizeBytes: number }>> {
    let file: FileHandle
    try {
      file = await open(this.#path(name), 'r')
    } catch (error) {
      if (isMissing(error)) return failed(problem('PACK_GONE', `The ${name.kind} ${name.hash} is not in this store.`))
      throw error
    }
    return ok({ file, sizeBytes: (await file.stat()).size })
  }

  async get(
    name: ObjectName,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<Result<{ body: Readable; totalBytes: number }>> {
    const opened = await this.openFile(name)
    if (!opened.ok) return opened
    const { file, sizeBytes } = opened.value
    const { start, end } = range ?? { start: 0, end: sizeBytes }
    if (!(start >= 0 && start < end && end <= sizeBytes)) {
      await file.close()
      return failed(problem('BAD_REQUEST', `Bytes ${start} to ${end} are outside the ${sizeBytes} of the object.`))
    }
    // Most pages are much smaller than a buffer.
    const highWaterMark = Math.min(READ_BYTES, end - start)
    const body = file.createReadStream({ start, end: end - 1, highWaterMark, signal })
    return ok({ body, totalBytes: sizeBytes })
  }

  async *list(kind: ObjectKind): AsyncIterable<StoredObject> {
    const root = join(this.#folder, folders[kind])
    for await (const shard of await opendir(root)) {
      if (!shard.isDirectory()) continue
      for await (const entry of await opendir(join(root, shard.name))) {
        const hash = Sha256.safeParse(entry.name)
        const sizeBytes = hash.success ? await sizeOf(join(root, shard.name, entry.name)) : undefined
        if (hash.success && sizeBytes !== undefined) yield { kind, hash: hash.data, sizeBytes }
      }
    }
  }

  async delete(name: ObjectName, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const path = this.#path(name)
    await rm(path, { force: true })
    if (await isFolder(dirname(path))) await syncFolder(dirname(path))
  }

  #path(name: ObjectName): string {
    const hash = Sha256.parse(name.hash)
    return join(this.#folder, folders[name.kind], hash.slice(0, 2), hash)
  }

  /** Invariant 1: the bytes are flushed already, now the name. */
  async #publish(temporary: string, path: string): Promise<void> {
    const shard = dirname(path)
    if ((await mkdir(shard, { recursive: true, mode: 0o700 })) !== undefined) await syncFolder(dirname(shard))
    await rename(temporary, path)
    await syncFolder(shard)
  }
}

/** Writes and flushes; gives the problem when the bytes are not those of the name or their source broke. */
async function writeVerified(path: string, source: Readable, name: ObjectName, signal: AbortSignal | undefined) {
  const hash = createHash('sha256')
  const handle = await createFile(path)
  try {
    let sizeBytes = 0
    for await (const part of readParts(source, signal)) {
      sizeBytes += part.length
      if (sizeBytes > maxBytes[name.kind])
        return problem('CONTENT_CORRUPT', `The ${name.kind} ${name.hash} is longer than ${maxBytes[name.kind]} bytes.`)
      hash.update(part)
      await handle.writeFile(part)
    }
    const found = hash.digest('hex')
    if (found !== name.hash)
      return problem('CONTENT_CORRUPT', `The ${name.kind} ${name.hash} arrived as ${found} (${sizeBytes} bytes).`)
    await handle.sync()
    return undefined
  } catch (error) {
    if (error instanceof ProblemError) return error.problem
    throw error
  } finally {
    await handle.close()
  }
}

/** Tells a source that breaks (expected) from a disk that does (a surprise, unless it is full). */
async function* readParts(source: Readable, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of source) yield part as Uint8Array
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof ProblemError) throw error
    const reason = error instanceof Error ? error.message : String(error)
    throw new ProblemError(problem('CONTENT_SOURCE_FAILED', `The source broke off: ${reason}.`), { cause: error })
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    const found = await stat(path)
    return found.isFile() ? found.size : undefined
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

const isMissing = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'ENOENT'
