/**
 * Paths inside the root of another system. Symlinks there are read as that system reads them: an
 * absolute one begins at its root, and none leads out of it.
 */
import { existsSync, lstatSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'

/** As the kernel's limit (path_resolution(7)). */
const MOST_LINKS = 40

/**
 * The real place of a path: its folders with every symlink followed, its last name as it is.
 * @param path inside the root, with or without a leading slash
 */
export function resolveInRoot(root: string, path: string): string {
  const last = names(path).at(-1)
  if (last === undefined) return root
  const folder = followInRoot(root, names(path).slice(0, -1))
  return join(root, ...folder, last)
}

/** The same with the last name followed as well. */
export function followToFile(root: string, path: string): string {
  return join(root, ...followInRoot(root, names(path)))
}

/** Whether the system of this root sees something there; not where its links go in circles. */
export function existsInRoot(root: string, path: string): boolean {
  try {
    return existsSync(followToFile(root, path))
  } catch {
    return false
  }
}

function followInRoot(root: string, path: string[]): string[] {
  const todo = [...path]
  let done: string[] = []
  let links = 0
  for (let name = todo.shift(); name !== undefined; name = todo.shift()) {
    if (name === '..') {
      done.pop()
      continue
    }
    const at = join(root, ...done, name)
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) {
      done.push(name)
      continue
    }
    links += 1
    if (links > MOST_LINKS) throw new Error(`${at}: too many symlinks`)
    const target = readlinkSync(at)
    if (target.startsWith('/')) done = []
    todo.unshift(...names(target))
  }
  return done
}

const names = (path: string) => path.split('/').filter((name) => name !== '' && name !== '.')
