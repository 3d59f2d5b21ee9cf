/**
 * The folder in which a content is put together: every file at its full size from the beginning,
 * verified chunks at their offsets (security-reliability §4.3, F6). It is not where anybody looks for
 * content: only when all is there it is renamed to that place, as a whole (F7).
 *
 *   T1. What was there before is worth exactly what its hashes say.
 *   T2. Symlinks are made last, and those found at the start are removed: nothing is ever written
 *       through one.
 *   T3. Times, modes and bytes of a page are flushed before the page counts as done.
 *   T4. Flushes come one after the other: whoever returns from one knows that everything written before it
 *       began is durable, also what an earlier one had taken up.
 */
import { chmod, type FileHandle, lstat, mkdir, readdir, rm, symlink } from 'node:fs/promises'
import { dirname, join, sep } from 'node:path'
import { type ChunkRef, type FileEntry, type FilePart, type ManifestPage, sha256 } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'
import { syncFolder } from '../state/durable-file.ts'
import type { Frame, LackingChunk, Place } from './frame-plan.ts'
import { createFrameThread, type FrameMemory } from './frame-thread.ts'
import { createOpenFiles } from './open-files.ts'
import type { Seeds } from './seeds/seeds.ts'

/** What of a page is in the folder. */
export interface PageState {
  lacking: LackingChunk[]
  /** Indexes of the chunks that are at all of their places. */
  present: number[]
  /** Plain bytes of those that were there before, and of those that were found elsewhere on the device. */
  foundBytes: number
  seedBytes: number
}

export interface ContentTree {
  /**
   * Makes folders and files of a page, and finds out which of its chunks lack. A chunk that lies
   * somewhere else in the folder is copied.
   * @param trusted chunks that need not be read again when their file is there
   */
  prepare(page: ManifestPage, trusted: (index: number) => boolean): Promise<PageState>
  /** Whether a chunk lies somewhere in the folder, as far as is remembered. */
  isHere(id: Sha256): boolean
  /** Copies a chunk that lies somewhere in the folder to all places where it lacks. False when it does not. */
  copy(chunk: LackingChunk): Promise<boolean>
  /** Memory to receive sealed frames in, which `writeFrame` takes. */
  frames: FrameMemory
  /** Opens a frame and writes its chunks to all places where they lack. False when it is not the right one. */
  writeFrame(frame: Frame, sealed: Uint8Array<ArrayBuffer>): Promise<boolean>
  /** Makes everything written so far durable. */
  sync(): Promise<void>
  /** Times and modes of the files that end in the page. Durable when it returns. */
  finishPage(page: ManifestPage): Promise<void>
  /** Symlinks, empty folders and the names of all; removes what does not belong. Durable when it returns. */
  finish(): Promise<void>
  /** Closes the files. */
  close(): Promise<void>
}

const MOST_OPEN_FILES = 32
const FLUSHES_AT_ONCE = 8
/** Chunks whose place is remembered over pages; more would cost too much memory. */
const MOST_KNOWN = 100_000
const MiB = 1024 * 1024

/**
 * Opens the folder, which may hold an earlier, broken-off or damaged state (T1, T2).
 * @param seeds asked for what lacks in a page
 */
export async function openContentTree(
  folder: string,
  framesInMemory: () => number,
  seeds?: Seeds,
): Promise<ContentTree> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  const foundBefore = await clearLinks(folder)
  const files = createOpenFiles(folder, MOST_OPEN_FILES)
  const folders = new Set<string>([folder])
  /** Paths of files, as long as something that is not among them may be in the folder. */
  const expected = foundBefore > 0 ? new Set<string>() : undefined
  /** Large files that this process made: what follows in later pages is empty for sure. */
  const fresh = new Set<string>()
  const links: FileEntry[] = []
  const known = new Map<Sha256, Place>()
  const thread = createFrameThread(folder, framesInMemory)
  let dirty = new Set<string>()
  /** Folders with names that a power cut could still undo. */
  let namesChanged = new Set<string>()
  /** T4. */
  let syncing: Promise<void> = Promise.resolve()

  const remember = (id: Sha256, place: Place) => {
    if (known.size < MOST_KNOWN) known.set(id, place)
  }

  const making = new Map<string, Promise<void>>()
  const makeFolders = (path: string): Promise<void> | undefined => {
    if (folders.has(path)) return undefined
    const known = making.get(path)
    if (known !== undefined) return known
    const made = makeFolder(path).finally(() => making.delete(path))
    making.set(path, made)
    return made
  }
  const makeFolder = async (path: string): Promise<void> => {
    await makeFolders(dirname(path))
    const facts = await lstat(path).catch(() => undefined)
    if (facts !== undefined && !facts.isDirectory()) await rm(path)
    if (facts?.isDirectory() !== true) {
      await mkdir(path, { mode: 0o700 })
      namesChanged.add(dirname(path))
    }
    folders.add(path)
  }

  /** Makes the file at its size. Whether it had that size before, and something in it. */
  const prepareFile = async (part: FilePart): Promise<'empty' | 'filled' | 'other'> => {
    const path = join(folder, part.path)
    expected?.add(part.path)
    await makeFolders(dirname(path))
    const facts = await lstat(path).catch(() => undefined)
    if (facts?.isDirectory()) await rm(path, { recursive: true })
    const file = facts?.isFile() ? facts : undefined
    // A finished file is read-only.
    if (file !== undefined && (file.mode & 0o200) === 0) await chmod(path, 0o600)
    if (file === undefined) {
      fresh.add(part.path)
      namesChanged.add(dirname(path))
    }
    if (file?.size !== part.sizeBytes || file.size === 0)
      await files.use(part.path, (opened) => opened.truncate(part.sizeBytes))
    if (file === undefined || fresh.has(part.path) || file.blocks === 0) return 'empty'
    return file.size === part.sizeBytes ? 'filled' : 'other'
  }

  /** T1. The bytes of a chunk at a place; undefined when they are others. */
  const read = async (file: FileHandle, offset: number, chunk: ChunkRef): Promise<Uint8Array | undefined> => {
    const bytes = Buffer.allocUnsafe(chunk.sizeBytes)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, offset)
    return bytesRead === bytes.length && sha256(bytes) === chunk.id ? bytes : undefined
  }
  const isThere = async ({ path, offset }: Place, chunk: ChunkRef): Promise<boolean> =>
    (await files.use(path, (file) => read(file, offset, chunk))) !== undefined

  const write = async (chunk: LackingChunk, bytes: Uint8Array): Promise<void> => {
    for (const { path, offset } of chunk.places) await files.use(path, (file) => writeAll(file, bytes, offset))
    written(chunk)
  }
  /** T4: from now on, since what a flush took up before the bytes were there would not be flushed again. */
  const written = (chunk: LackingChunk) => {
    for (const { path } of chunk.places) dirty.add(path)
    if (chunk.places[0] !== undefined) remember(chunk.id, chunk.places[0])
  }

  const copy = async (chunk: LackingChunk): Promise<boolean> => {
    const source = known.get(chunk.id)
    // It may lie in a file that is finished, which is read-only.
    const bytes =
      source === undefined
        ? undefined
        : await files.read(source.path, (file) => read(file, source.offset, chunk)).catch(ifMissing)
    if (bytes === undefined) return false
    await write(chunk, bytes)
    return true
  }

  const sync = (): Promise<void> => {
    syncing = syncing.then(async () => {
      const paths = [...dirty]
      const changedFolders = [...namesChanged]
      dirty = new Set()
      namesChanged = new Set()
      await several(paths, (path) => files.use(path, (file) => file.datasync()))
      await several(changedFolders, syncFolder)
    })
    return syncing
  }

  return {
    async prepare(page, trusted) {
      const indexes = new Map(page.chunks.map((chunk, index) => [chunk.id, index]))
      const missing: Place[][] = page.chunks.map(() => [])
      const found = new Set<number>()
      const states = new Map<FilePart, 'empty' | 'filled' | 'other'>()
      const parts = page.entries.filter((entry) => entry.kind === 'file') as FilePart[]
      await several(parts, async (part) => void states.set(part, await prepareFile(part)))
      for (const entry of page.entries) {
        if (entry.kind !== 'file') {
          links.push(entry)
          continue
        }
        const before = states.get(entry) ?? 'other'
        let offset = entry.offset
        for (const extent of entry.extents) {
          const place = { path: entry.path, offset }
          offset += extent.sizeBytes
          if (extent.kind === 'hole') {
            if (before !== 'empty') await files.use(entry.path, (file) => clear(file, place.offset, extent.sizeBytes))
            continue
          }
          const index = indexes.get(extent.id) ?? -1
          const known = before === 'filled' && trusted(index)
          if (known || (before !== 'empty' && (await isThere(place, extent)))) {
            remember(extent.id, place)
            found.add(index)
            // It may not be on the disk yet.
            if (!known) dirty.add(place.path)
          } else missing[index]?.push(place)
        }
      }
      const state: PageState = { lacking: [], present: [], foundBytes: 0, seedBytes: 0 }
      for (const [index, chunk] of page.chunks.entries()) {
        const lacking = { ...chunk, index, places: missing[index] ?? [] }
        // Neither: no file that is wanted has it.
        if (lacking.places.length > 0 && !(await copy(lacking))) state.lacking.push(lacking)
        else if (lacking.places.length > 0 || found.has(index)) state.present.push(index)
        if (lacking.places.length === 0 && found.has(index)) state.foundBytes += chunk.sizeBytes
      }
      await seeds?.supply(state.lacking, async (chunk, bytes) => {
        await write(chunk, bytes)
        state.present.push(chunk.index)
        state.seedBytes += chunk.sizeBytes
      })
      const present = new Set(state.present)
      return { ...state, lacking: state.lacking.filter(({ index }) => !present.has(index)) }
    },
    isHere: (id) => known.has(id),
    copy,
    frames: thread,
    async writeFrame(frame, sealed) {
      const right = await thread.write(frame, sealed)
      if (right) for (const chunk of frame.chunks) written(chunk)
      return right
    },
    sync,
    async finishPage(page) {
      const ended = page.entries.filter(
        (entry) =>
          entry.kind === 'file' &&
          entry.extents.reduce((sum, extent) => sum + extent.sizeBytes, entry.offset) === entry.sizeBytes,
      ) as FilePart[]
      await several(ended, (entry) =>
        files.use(entry.path, async (file) => {
          // Half a millisecond more: seconds as a double fall a little short, and the system cuts off.
          const seconds = (entry.modifiedMs + 0.5) / 1000
          await file.utimes(seconds, seconds)
          await file.chmod(entry.executable ? 0o555 : 0o444)
          await file.sync() // T3
        }),
      )
      for (const { path } of ended) dirty.delete(path)
      await sync()
    },
    async finish() {
      for (const entry of links)
        await makeFolders(entry.kind === 'folder' ? join(folder, entry.path) : dirname(join(folder, entry.path)))
      if (expected !== undefined)
        await removeUnexpected(folder, folders, (path) =>
          expected.has(path.slice(folder.length + 1).replaceAll(sep, '/')),
        )
      // T2
      for (const entry of links) if (entry.kind === 'symlink') await symlink(entry.target, join(folder, entry.path))
      for (const path of folders) await syncFolder(path)
    },
    async close() {
      await thread.close()
      await files.close()
    },
  }
}

function ifMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

/** Runs `work` over all, some at a time. */
async function several<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const queue = [...all]
  const worker = async () => {
    for (let one = queue.pop(); one !== undefined; one = queue.pop()) await work(one)
  }
  await Promise.all(Array.from({ length: Math.min(FLUSHES_AT_ONCE, queue.length) }, worker))
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done)
    done += bytesWritten
  }
}

/** Makes a stretch zeros where it is not, without filling what is a hole already. */
async function clear(file: FileHandle, offset: number, sizeBytes: number): Promise<void> {
  const buffer = Buffer.allocUnsafe(Math.min(MiB, sizeBytes))
  for (let done = 0; done < sizeBytes; done += buffer.length) {
    const length = Math.min(buffer.length, sizeBytes - done)
    const { bytesRead } = await file.read(buffer, 0, length, offset + done)
    if (buffer.subarray(0, bytesRead).every((byte) => byte === 0)) continue
    await writeAll(file, Buffer.alloc(length), offset + done)
  }
}

/** Removes everything that is neither file nor folder (T2); returns how much is left. */
async function clearLinks(folder: string): Promise<number> {
  let left = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) left += 1 + (await clearLinks(path))
    else if (entry.isFile()) left += 1
    else await rm(path)
  }
  return left
}

async function removeUnexpected(
  folder: string,
  folders: ReadonlySet<string>,
  isFile: (path: string) => boolean,
): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory() && folders.has(path)) await removeUnexpected(path, folders, isFile)
    else if (!isFile(path)) await rm(path, { recursive: true })
  }
}
