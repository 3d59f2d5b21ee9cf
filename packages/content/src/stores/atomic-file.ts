/**
 * Files that are either old or new, whatever happens (security-reliability §4.3, F1): a temp file
 * in the same folder, flushed, renamed, and the folder flushed before anybody is told.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

let temporaries = 0

/** A path for a temp file beside `path`, not used by this process before. */
const temporaryPath = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}-${++temporaries}.partial`)

/** Creates a file that must not exist and that is not reached through a symlink; mode 0600. */
export const createFile = (path: string, mode = 0o600): Promise<FileHandle> =>
  open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0), mode)

/** Makes names created, renamed or removed in a folder durable. Windows cannot, and needs no more than NTFS gives. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Replaces a file; durable when it returns.
 * @param mode permission bits of the new file
 */
export async function writeFileAtomic(path: string, bytes: Uint8Array | string, mode = 0o600): Promise<void> {
  const temporary = temporaryPath(path)
  try {
    const handle = await createFile(temporary, mode)
    try {
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(dirname(path))
}
