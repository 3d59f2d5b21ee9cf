/** A boot that is named by a file, written anew by whatever boots the device. */
import { readFile } from 'node:fs/promises'

/** Undefined where no file is configured. @throws when it is, and says nothing */
export async function readBootFile(path: string | undefined): Promise<string | undefined> {
  if (path === undefined) return undefined
  const text = (await readFile(path, 'utf8')).trim()
  if (!/^[\w.:-]{1,100}$/.test(text)) throw new Error(`bootFile: ${path} does not name a boot`)
  return text
}
