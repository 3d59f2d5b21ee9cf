/**
 * The start of the cache: folders and rows are made to agree. What nobody knows goes; what is not whole is
 * kept, to be looked through by the download that needs it.
 */
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { State } from '../state/state.ts'
import { type CacheRow, type CacheRows, entryPath } from './cache-rows.ts'

/** Files that one start looks at, over all entries; what is torn behind them is found when it is used. */
export const MOST_SCANNED_FILES = 20_000

export async function scanCache(folder: string, rows: CacheRows, state: Pick<State, 'transaction'>): Promise<void> {
  await emptyTrash(folder)
  const known = new Map<string, CacheRow>(rows.all().map((row) => [row.entryId, row]))
  for (const kind of ['contents', 'incoming'] as const)
    for (const name of await readdir(join(folder, kind)))
      if (!known.has(name)) await rm(join(folder, kind, name), { recursive: true, force: true })
  const left = { files: MOST_SCANNED_FILES }
  for (const row of known.values()) {
    const [whole, incoming] = [entryPath(folder, 'contents', row.entryId), entryPath(folder, 'incoming', row.entryId)]
    const isThere = await isFolder(whole)
    const isComing = await isFolder(incoming)
    // Killed between the new name and the row, or torn since: it only needs to be looked through again.
    // What is leased may be in a step's hands, and every hand-over looks through it in any case.
    const torn = isThere && row.complete && !row.leased && (await isTorn(whole, row.sizeBytes, left))
    if (isThere && (!row.complete || torn) && !isComing) {
      await rename(whole, incoming)
      rows.incomplete(row.entryId)
    }
    if (isThere || (isComing && !row.complete)) continue
    state.transaction(() => void rows.remove(row.entryId))
  }
  await emptyTrash(folder)
}

/** Removes what was taken away; names that no entry has ever had go as well. */
export async function emptyTrash(folder: string): Promise<void> {
  const trash = join(folder, 'trash')
  await rm(trash, { recursive: true, force: true })
  await mkdir(trash, { recursive: true, mode: 0o700 })
}

/** Whether the files of a folder are not as large together as they were when it became content. */
async function isTorn(folder: string, sizeBytes: number, left: { files: number }): Promise<boolean> {
  let bytes = 0
  const folders = [folder]
  for (let path = folders.pop(); path !== undefined; path = folders.pop())
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) folders.push(join(path, entry.name))
      if (!entry.isFile()) continue
      if (left.files-- <= 0) return false
      bytes += (await stat(join(path, entry.name))).size
    }
  return bytes !== sizeBytes
}

const isFolder = async (path: string) => (await stat(path).catch(() => undefined))?.isDirectory() === true
