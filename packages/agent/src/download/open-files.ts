/** A bounded number of open files below a folder: opened when used, closed when others are wanted. */
import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'

export interface OpenFiles {
  /** Opens the file for reading and writing, makes it when it is missing; never through a symlink. */
  use<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T>
  /** Only to read: also a file that is read-only by now. Rejects when it is missing. */
  read<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T>
  close(): Promise<void>
}

const { O_CREAT, O_NOFOLLOW, O_RDONLY, O_RDWR } = constants

export function createOpenFiles(folder: string, most: number): OpenFiles {
  /** In the order of their last use. */
  const files = new Map<string, { handle: Promise<FileHandle>; users: number }>()

  const trim = async () => {
    for (const [path, { handle, users }] of files) {
      if (files.size <= most) return
      if (users > 0) continue
      files.delete(path)
      await (await handle).close()
    }
  }
  return {
    async read(path, work) {
      if (files.has(path)) return this.use(path, work)
      const file = await open(join(folder, path), O_RDONLY | (O_NOFOLLOW ?? 0))
      try {
        return await work(file)
      } finally {
        await file.close()
      }
    },
    async use(path, work) {
      const kept = files.get(path)
      const file = kept ?? { handle: open(join(folder, path), O_RDWR | O_CREAT | (O_NOFOLLOW ?? 0), 0o600), users: 0 }
      files.delete(path)
      files.set(path, file)
      file.users += 1
      try {
        return await work(await file.handle)
      } catch (error) {
        // One that could not be opened must not be found again.
        await file.handle.catch(() => files.delete(path))
        throw error
      } finally {
        file.users -= 1
        await trim()
      }
    },
    async close() {
      for (const { handle } of files.values()) await handle.then((file) => file.close())
      files.clear()
    },
  }
}
