/**
 * Some files of a package, by patterns: `*` stands for any text within a name, `?` for one character of it,
 * `**` for any folders. A pattern that fits a folder takes everything below it.
 */
import type { ManifestPage } from '@sluice/content'
import { fitParts } from '@sluice/engine'
import type { ContentTarget } from '@sluice/protocol'

export interface FileChoice {
  /** The page with the chosen entries only; its chunks stay, so that their indexes stay right. */
  of(page: ManifestPage): ManifestPage
  /** Plain bytes of the files that begin in a page, as far as they are chosen. Notes which patterns fit. */
  count(page: ManifestPage): number
  /** Patterns that have fitted nothing that was counted. */
  unmet(): string[]
}

/** @param target Windows does not tell upper from lower case */
export function createFileChoice(patterns: readonly string[], target: ContentTarget): FileChoice {
  const fold = (text: string) => (target === 'windows' ? text.toLowerCase() : text)
  const wanted = patterns.map((pattern) => ({ pattern, names: namesOf(fold(pattern)) }))
  const met = new Set<string>()
  const fits = (path: string) => {
    const names = namesOf(fold(path))
    return wanted.filter((one) => fitNames(one.names, names))
  }
  return {
    of: (page) => ({ ...page, entries: page.entries.filter(({ path }) => fits(path).length > 0) }),
    count(page) {
      let bytes = 0
      for (const entry of page.entries) {
        const fitting = fits(entry.path)
        for (const { pattern } of fitting) met.add(pattern)
        if (fitting.length > 0 && entry.kind === 'file' && entry.offset === 0) bytes += entry.sizeBytes
      }
      return bytes
    },
    unmet: () => patterns.filter((pattern) => !met.has(pattern)),
  }
}

const namesOf = (path: string) => path.split('/').filter((name) => name !== '' && name !== '.')

/** Whether the pattern fits the path or a folder above it. */
const fitNames = (pattern: readonly string[], path: readonly string[]): boolean =>
  fitParts(pattern, path, { isAny: (name) => name === '**', fits: fitName, beginningIsEnough: true })

const fitName = (pattern: string, name: string): boolean =>
  fitParts(Array.from(pattern), Array.from(name), {
    isAny: (sign) => sign === '*',
    fits: (sign, character) => sign === '?' || sign === character,
  })
