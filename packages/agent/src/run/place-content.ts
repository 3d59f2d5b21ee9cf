/** A copy of a content at a path of the administrator's choice: whole or not at all, and flushed. */
import { constants } from 'node:fs'
import { copyFile, lstat, mkdir, open, readdir, readlink, rename, rm, symlink, utimes } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { syncFolder } from '@sluice/content'
import { failed, ok, problem, type Result } from '@sluice/protocol'

/** @param folder of the cache; @param path absolute. What is there is replaced. */
export async function placeContent(folder: string, path: string): Promise<Result<void>> {
  const refuse = (detail: string): Result<void> => failed(problem('STEP_COULD_NOT_START', detail))
  if (!isAbsolute(path)) return refuse(`The destination ${path} is not an absolute path.`)
  const unfinished = `${path}.sluice-part`
  try {
    await mkdir(dirname(path), { recursive: true })
    await rm(unfinished, { recursive: true, force: true })
    await copyTree(folder, unfinished)
    await rm(path, { recursive: true, force: true })
    await rename(unfinished, path)
    await syncFolder(dirname(path))
    return ok(undefined)
  } catch (error) {
    await rm(unfinished, { recursive: true, force: true }).catch(() => {})
    return refuse(`The content could not be put at ${path}: ${error instanceof Error ? error.message : error}.`)
  }
}

async function copyTree(source: string, target: string): Promise<void> {
  await mkdir(target, { mode: 0o755 })
  for (const entry of await readdir(source, { withFileTypes: true })) {
    const [from, to] = [join(source, entry.name), join(target, entry.name)]
    if (entry.isDirectory()) await copyTree(from, to)
    else if (entry.isSymbolicLink()) await symlink(await readlink(from), to)
    else if (entry.isFile()) {
      await copyFile(from, to, constants.COPYFILE_FICLONE)
      const { atime, mtime } = await lstat(from)
      await utimes(to, atime, mtime)
      await flush(to)
    }
  }
  await syncFolder(target)
}

async function flush(path: string): Promise<void> {
  // Windows flushes only what is open for writing.
  const file = await open(path, process.platform === 'win32' ? 'r+' : 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
