/** A folder on the disk of the site. */
import { ok } from '@sluice/protocol'
import { readEntryLines } from './entry-line.ts'
import type { OpenSource, SourceEntry } from './source.ts'

/** @param folder absolute path. What the file system says when it cannot be walked is thrown. */
export const folderSource =
  (folder: string): OpenSource =>
  async ({ hands, target, refuseLongPaths, scratch }) => {
    const survey = await hands.do('survey', { folder, target, refuseLongPaths, list: scratch })
    return ok({
      survey,
      sorted: true,
      async *entries(): AsyncGenerator<SourceEntry> {
        for await (const entry of readEntryLines(scratch)) {
          if (entry.kind !== 'file' || entry.sizeBytes === 0) yield { entry }
          else yield { entry, bytes: { kind: 'stretch', path: `${folder}/${entry.path}`, from: 0, watched: true } }
        }
      },
      close: async () => {},
    })
  }
