/**
 * The verified metadata on disk: one folder a generation, and `current.json`, which says what it
 * holds. The TUF client writes in place and without fsync, so it only ever gets a copy.
 *
 *   F1. What `current.json` names was verified and is durable, whole; a crash leaves the old or the new.
 *   F2. Files whose hash is not the recorded one are not used: the generation starts again from the
 *       pinned root.
 */
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Sha256 } from '@sluice/protocol'
import { z } from 'zod'
import { makeFolder, syncFolder, writeDurable } from '../state/durable-file.ts'

export const ListedTarget = z.object({ sha256: Sha256, lengthBytes: z.int().positive() })
export type ListedTarget = z.infer<typeof ListedTarget>

const Current = z.object({
  v: z.literal(1),
  generation: z.string().regex(/^g-[0-9a-f]{16}$/),
  freshAt: z.int(),
  expiresAt: z.int(),
  /** SHA-256 of each file. */
  files: z.record(z.string(), Sha256),
  /** What this generation lists, of the names that were asked for. */
  targets: z.record(z.string(), ListedTarget),
})
export type Current = z.infer<typeof Current>

export interface CatalogueFolder {
  current(): Current | undefined
  /** Bytes of a file of the current generation. */
  read(name: string): Promise<Buffer>
  /** A copy of the current generation to work in, or of the pinned root alone. */
  scratch(): Promise<string>
  /** Makes a scratch folder the current generation (F1). Where nothing changed, only what is said about it. */
  publish(scratch: string, about: Pick<Current, 'freshAt' | 'expiresAt' | 'targets'>): Promise<void>
  /** Removes what no longer counts. */
  sweep(): Promise<void>
}

export async function openCatalogueFolder(folder: string, pinnedRoot: Uint8Array): Promise<CatalogueFolder> {
  await makeFolder(folder)
  let current = await readCurrent(folder)

  async function sweep(): Promise<void> {
    for (const name of await readdir(folder))
      if (/^g-/.test(name) && name !== current?.generation) await rm(join(folder, name), { recursive: true })
  }
  await sweep()

  return {
    current: () => current,
    read: (name) => readFile(join(folder, current?.generation ?? '', name)),
    async scratch() {
      const path = join(folder, `g-${randomBytes(8).toString('hex')}`)
      await mkdir(path, { mode: 0o700 })
      if (current === undefined) await writeFile(join(path, 'root.json'), pinnedRoot, { mode: 0o600 })
      else
        for (const name of Object.keys(current.files))
          await writeFile(join(path, name), await readFile(join(folder, current.generation, name)), { mode: 0o600 })
      return path
    },
    async publish(scratch, about) {
      const files = await hashes(scratch)
      const unchanged = current !== undefined && sameFiles(files, current.files)
      const generation = unchanged && current !== undefined ? current.generation : scratch.slice(folder.length + 1)
      if (!unchanged) {
        for (const name of Object.keys(files)) await syncFile(join(scratch, name))
        await syncFolder(scratch)
        await syncFolder(folder)
      }
      const next: Current = { v: 1, generation, files, ...about }
      await writeDurable(join(folder, 'current.json'), JSON.stringify(next))
      current = next
    },
    sweep,
  }
}

async function readCurrent(folder: string): Promise<Current | undefined> {
  try {
    const text = await readFile(join(folder, 'current.json'), 'utf8')
    const current = Current.parse(JSON.parse(text))
    return sameFiles(await hashes(join(folder, current.generation)), current.files) ? current : undefined // F2
  } catch (error) {
    // The first start, or damage: both begin with the pinned root. A disk that fails is another matter.
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === undefined || code === 'ENOENT') return undefined
    throw error
  }
}

async function hashes(folder: string): Promise<Record<string, Sha256>> {
  const files: Record<string, Sha256> = {}
  for (const name of (await readdir(folder)).toSorted())
    files[name] = createHash('sha256')
      .update(await readFile(join(folder, name)))
      .digest('hex') as Sha256
  return files
}

const sameFiles = (a: Record<string, Sha256>, b: Record<string, Sha256>) =>
  Object.keys(a).length === Object.keys(b).length && Object.entries(a).every(([name, hash]) => b[name] === hash)

async function syncFile(path: string): Promise<void> {
  // Windows flushes only what is open for writing.
  const handle = await open(path, 'r+')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
