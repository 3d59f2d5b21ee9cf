/**
 * Files of the device as seeds: cut as contents are cut, so that equal stretches have equal chunks, wherever
 * they lie. Only folders that the configuration names are read, regular files only, never through a link.
 */
import { constants, type Dirent } from 'node:fs'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { createChunker, sha256 } from '@sluice/content'
import type { Sha256 } from '@sluice/protocol'
import type { Place } from '../frame-plan.ts'
import { createChunkIndex } from './chunk-index.ts'

export interface LocalFiles {
  /** Where a chunk was when the files were read; absolute path. */
  find(id: Sha256): Place | undefined
}

/** What is read for one run: at a few hundred megabytes a second, it should not take longer than fetching. */
const MOST_BYTES = 4 * 1024 * 1024 * 1024
const MOST_FILES = 100_000
const MOST_CHUNKS = 200_000
const DEEPEST = 64
const { O_NOFOLLOW = 0, O_NONBLOCK = 0, O_RDONLY } = constants

/** @param except a folder that is left out, with all below it */
export async function readLocalFiles(
  folders: readonly string[],
  except: string,
  signal: AbortSignal,
): Promise<LocalFiles> {
  const index = createChunkIndex(MOST_CHUNKS)
  const files: string[] = []
  const places: { file: number; offset: number }[] = []
  const chunker = createChunker()
  let leftBytes = MOST_BYTES

  const readFile = async (path: string): Promise<void> => {
    const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(() => undefined)
    if (file === undefined) return
    try {
      if (!(await file.stat()).isFile()) return
      const number = files.push(path) - 1
      let offset = 0
      for await (const bytes of chunker.chunks(file, signal)) {
        if (!index.add(sha256(bytes), places.length)) leftBytes = 0
        places.push({ file: number, offset })
        offset += bytes.length
        leftBytes -= bytes.length
        if (leftBytes <= 0) return
      }
    } catch {
      // What cannot be read is no seed; who was called off hears it from the signal.
    } finally {
      await file.close()
    }
  }
  const walk = async (folder: string, depth: number): Promise<void> => {
    if (folder === except || depth > DEEPEST) return
    const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => [])
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      signal.throwIfAborted()
      if (leftBytes <= 0 || files.length >= MOST_FILES) return
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await walk(path, depth + 1)
      else if (entry.isFile()) await readFile(path)
    }
  }
  for (const folder of folders) await walk(folder, 0)
  return {
    find(id) {
      const at = index.find(id)
      const place = at === undefined ? undefined : places[at]
      const path = place === undefined ? undefined : files[place.file]
      return place === undefined || path === undefined ? undefined : { path, offset: place.offset }
    },
  }
}
