/**
 * The first look at a folder: what may not be there, what is not carried, how much it is. Everything is
 * looked at before a byte is stored, and written down, so that it is looked at once. Blocks: for a thread.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { ImportRules, Jobs, TreeSurvey } from '../hands/jobs.ts'
import { isLongOnWindows, WINDOWS_BASE_LENGTH } from '../manifest/entry-path.ts'
import { writeEntryLine } from './entry-line.ts'
import { type Sighting, walkTree } from './tree.ts'

const LISTED_REFUSALS = 100
const LISTED_LOSSES = 5
const LIST_BYTES = 256 * 1024

/** Walks the folder and writes its entries into a new file. Throws what the file system says. */
export function surveyFolder({ folder, target, refuseLongPaths, list }: Jobs['survey']['asked']): TreeSurvey {
  const survey = createSurvey({ target, refuseLongPaths })
  const file = openSync(list, 'wx', 0o600)
  try {
    let text = ''
    for (const sighting of walkTree(folder, target)) {
      survey.see(sighting)
      if (sighting.kind === 'entry') text += writeEntryLine(sighting.entry)
      if (text.length > LIST_BYTES) {
        writeSync(file, text)
        text = ''
      }
    }
    writeSync(file, text)
  } finally {
    closeSync(file)
  }
  return survey.result()
}

const LONG = `a path that is longer than 260 characters with the ${WINDOWS_BASE_LENGTH} of the cache folder`

/**
 * Sums up what is seen, wherever it is seen.
 * @param rules.refuseLongPaths paths that many programs on Windows cannot open are refused, not only listed
 */
export function createSurvey({ target, refuseLongPaths = false }: ImportRules) {
  const losses = new Map<string, { count: number; paths: string[] }>()
  const found = { entryCount: 0, totalBytes: 0, refused: 0, refusals: [] as string[] }
  return {
    see(seen: Sighting): void {
      const long = seen.kind === 'entry' && isLongOnWindows(seen.entry.path, target)
      const sighting: Sighting =
        long && refuseLongPaths ? { kind: 'refused', path: seen.entry.path, reason: LONG } : seen
      if (sighting.kind === 'refused') {
        if (found.refused++ < LISTED_REFUSALS)
          found.refusals.push(`${JSON.stringify(sighting.path)}: ${sighting.reason}`)
        return
      }
      found.entryCount++
      if (sighting.entry.kind === 'file') found.totalBytes += sighting.entry.sizeBytes
      for (const loss of long ? [...sighting.losses, LONG] : sighting.losses) {
        const noted = losses.get(loss) ?? { count: 0, paths: [] }
        if (noted.count++ < LISTED_LOSSES) noted.paths.push(sighting.entry.path)
        losses.set(loss, noted)
      }
    },
    result: (): TreeSurvey => ({ ...found, losses: [...losses].map(([what, noted]) => describeLoss(what, noted)) }),
  }
}

const describeLoss = (what: string, { count, paths }: { count: number; paths: string[] }): string =>
  `${what}: ${count} ${count === 1 ? 'entry' : 'entries'}, ${count > paths.length ? 'first ' : ''}${paths.join(', ')}`
