/**
 * Lays a folder tree over the root of a system, each file either old or new: written beside its
 * place, flushed, renamed. Doing it again after a crash goes on where it stopped.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { chmod, copyFile, lstat, mkdir, open, readdir, readlink, rename, rm, symlink } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { syncFolder } from '../state/durable-file.ts'
import { resolveInRoot } from './root-path.ts'

/** Every file and symlink below a folder, as paths with `/`, in a fixed order. */
export async function listTree(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  const paths: string[] = []
  for (const entry of entries) {
    if (entry.isDirectory()) continue
    const path = join(entry.parentPath, entry.name).slice(folder.length + 1)
    if (!entry.isFile() && !entry.isSymbolicLink()) throw new Error(`${path} is neither file nor symlink`)
    paths.push(path)
  }
  return paths.sort()
}

/**
 * Puts one file or symlink at its place in the root. Durable when it returns.
 * @returns false when it was there already, equal in content and mode
 */
export async function placeFile(source: string, root: string, path: string): Promise<boolean> {
  const place = resolveInRoot(root, path)
  if (await equal(source, place)) return false
  const folder = dirname(place)
  await mkdir(folder, { recursive: true })
  // The same name after a crash: nothing is left lying about.
  const temporary = join(folder, `.${basename(place)}.sluice-new`)
  await rm(temporary, { force: true })
  const facts = await lstat(source)
  if (facts.isSymbolicLink()) await symlink(await readlink(source), temporary)
  else {
    await copyFile(source, temporary)
    // Content folders are read-only; what is made of them belongs to the system.
    await chmod(temporary, modeOf(facts.mode))
    const handle = await open(temporary, 'r')
    await handle.sync().finally(() => handle.close())
  }
  await rename(temporary, place)
  await syncFolder(folder)
  return true
}

/** Removes a file or symlink of the root; false when there is none. Durable when it returns. */
export async function removeFile(root: string, path: string): Promise<boolean> {
  const place = resolveInRoot(root, path)
  const facts = await lstat(place).catch(() => undefined)
  if (facts === undefined || facts.isDirectory()) return false
  await rm(place)
  await syncFolder(dirname(place))
  return true
}

const modeOf = (mode: number) => ((mode & 0o111) === 0 ? 0o644 : 0o755)

async function equal(source: string, place: string): Promise<boolean> {
  const [a, b] = [await lstat(source), await lstat(place).catch(() => undefined)]
  if (b === undefined || a.isSymbolicLink() !== b.isSymbolicLink()) return false
  if (a.isSymbolicLink()) return (await readlink(source)) === (await readlink(place))
  if (!b.isFile() || a.size !== b.size || modeOf(a.mode) !== (b.mode & 0o777)) return false
  return (await hashFile(source)) === (await hashFile(place))
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  for await (const piece of createReadStream(path)) hash.update(piece)
  return hash.digest('hex')
}
