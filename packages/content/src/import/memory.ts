/**
 * What an import remembers of the files it read, so that the next import of the same folder reads only
 * what somebody touched. A memory is a cache: without it everything is read.
 *
 *   M1. A file is taken for unchanged when size, place on the disk (device, inode), time of writing and
 *       time of change are all the same, and its time of change is at least two seconds older than the
 *       import that remembered it, so that no later write can have left the same time.
 *   M2. What is remembered is the ids of chunks, never bytes; they are looked up like all others.
 */
import { createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import type { Sha256 } from '@sluice/protocol'
import { comparePaths } from '../manifest/entry-path.ts'
import type { Extent } from '../manifest/file-entry.ts'
import { readLines } from './entry-line.ts'
import type { TreeEntry } from './tree.ts'

type TreeFile = TreeEntry & { kind: 'file' }
/** Path, stamp, then sizes and ids of the extents in turn; a hole has no id. */
type Line = [path: string, stamp: string, ...extents: (number | string)[]]

/** M1: how long a file must have been left alone, in milliseconds. */
const SETTLED_MS = 2_000
/** Larger files are read again: their extents would fill the memory of this process. */
const MOST_EXTENTS = 100_000

export interface Memory {
  /** The extents of a file that is as it was. Files must be asked for in their order. */
  recall(file: TreeFile): Promise<Extent[] | undefined>
  remember(file: TreeFile, extents: readonly Extent[]): Promise<void>
  /** Keeps what was remembered for the next import. */
  keep(): Promise<void>
  /** Forgets it again unless it was kept. */
  close(): Promise<void>
}

/** @param path of the memory; missing before the first import. @param beganMs when the folder was first looked at */
export function openMemory(path: string, options: { beganMs: number; readAll: boolean }): Memory {
  const { beganMs, readAll } = options
  const unfinished = `${path}.unfinished`
  const lines = readAll ? undefined : readLines(path)[Symbol.asyncIterator]()
  const out = createWriteStream(unfinished, { mode: 0o600 })
  let broken = false
  /** Whoever waits for room in `out`, or for its end. */
  let wake = () => {}
  out.on('drain', () => wake())
  out.on('error', () => {
    broken = true
    wake()
  })
  let line: Line | undefined
  let ended = lines === undefined

  async function advance(): Promise<void> {
    try {
      const next = await lines?.next()
      ended = next === undefined || next.done === true
      line = ended ? undefined : (JSON.parse(next?.value as string) as Line)
    } catch {
      // Missing, or cut short by a power failure: then everything is read.
      ended = true
      line = undefined
    }
  }

  return {
    async recall({ path: wanted, stamp }) {
      while (!ended && (line === undefined || comparePaths(line[0], wanted) < 0)) await advance()
      if (line === undefined || line[0] !== wanted || line[1] !== stamp) return undefined
      const extents: Extent[] = []
      for (let i = 2; i < line.length; i += 2) {
        const [sizeBytes, id] = [line[i] as number, line[i + 1] as Sha256 | '']
        extents.push(id === '' ? { kind: 'hole', sizeBytes } : { kind: 'chunk', id, sizeBytes })
      }
      return extents
    },
    async remember({ path: name, stamp }, extents) {
      if (broken || stamp === '' || extents.length > MOST_EXTENTS || changedMs(stamp) > beganMs - SETTLED_MS) return
      const flat = extents.flatMap((extent) => [extent.sizeBytes, extent.kind === 'hole' ? '' : extent.id])
      if (!out.write(`${JSON.stringify([name, stamp, ...flat])}\n`))
        await new Promise<void>((resolve) => {
          wake = resolve
        })
    },
    async keep() {
      out.end()
      await finished(out).catch(() => undefined)
      if (!broken) await rename(unfinished, path)
    },
    async close() {
      await lines?.return?.(undefined)
      out.destroy()
      await rm(unfinished, { force: true })
    },
  }
}

/** The last part of a stamp, in milliseconds. */
const changedMs = (stamp: string): number => {
  const digits = stamp.slice(stamp.lastIndexOf('.') + 1)
  return Number.parseInt(digits, 36) / 1e6
}
