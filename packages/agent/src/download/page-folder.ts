/**
 * Pages of manifests and layouts that this device has seen, by the hash of their sealed bytes: a page
 * that stayed the same in a newer version is not fetched again. Every page is hashed when it is read,
 * so nothing here needs to be durable or even right.
 */
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { sha256 } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'

export interface PageFolder {
  get(hash: Sha256): Promise<Uint8Array | undefined>
  put(hash: Sha256, bytes: Uint8Array): Promise<void>
  /** Removes pages that nobody asked for since `olderThanMs` before `now`. */
  sweep(now: number, olderThanMs: number): Promise<void>
}

export function createPageFolder(folder: string): PageFolder {
  return {
    async get(hash) {
      const path = join(folder, hash)
      const bytes = await readFile(path).catch(() => undefined)
      if (bytes === undefined || sha256(bytes) !== hash) return undefined
      const used = new Date()
      await utimes(path, used, used).catch(() => {})
      return bytes
    },
    async put(hash, bytes) {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      const temporary = join(folder, `.${hash}`)
      await writeFile(temporary, bytes, { mode: 0o600 })
      await rename(temporary, join(folder, hash))
    },
    async sweep(now, olderThanMs) {
      for (const name of await readdir(folder).catch(() => [])) {
        const path = join(folder, name)
        const facts = await stat(path).catch(() => undefined)
        if (name.startsWith('.') || (facts !== undefined && now - facts.mtimeMs > olderThanMs))
          await rm(path, { force: true })
      }
    },
  }
}
