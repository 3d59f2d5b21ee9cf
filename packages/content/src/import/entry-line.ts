/** Entries of a tree as lines of JSON, so that a list of a million of them need not be in memory. */
import { createReadStream } from 'node:fs'
import type { TreeEntry } from './tree.ts'

/** No line break is left in JSON, whatever is in a name. */
export const writeEntryLine = (entry: TreeEntry): string => `${JSON.stringify(entry)}\n`

/** The entries of a list that `writeEntryLine` wrote, in order. */
export async function* readEntryLines(path: string): AsyncGenerator<TreeEntry> {
  for await (const line of readLines(path)) yield JSON.parse(line) as TreeEntry
}

/** Lines that end with a line feed and nothing else: names may hold every other separator. */
export async function* readLines(path: string): AsyncGenerator<string> {
  let rest: Buffer = Buffer.alloc(0)
  for await (const piece of createReadStream(path, { highWaterMark: 256 * 1024 })) {
    const bytes = rest.length === 0 ? (piece as Buffer) : Buffer.concat([rest, piece as Buffer])
    let start = 0
    for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10, start)) {
      yield bytes.toString('utf8', start, end)
      start = end + 1
    }
    rest = bytes.subarray(start)
  }
}
