/**
 * Some files of a package, by patterns: `*` stands for any text within a name, `?` for one character of it,
 * `**` for any folders. A pattern that fits a folder takes everything below it.
 */
import type { ManifestPage } from '@sluice/content'
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

/** Whether the pattern fits the path or a folder above it. At most (names of both) comparisons for each `**`. */
function fitNames(pattern: readonly string[], path: readonly string[]): boolean {
  return fitParts(pattern, path, '**', fitName, true)
}

const fitName = (pattern: string, name: string): boolean =>
  fitParts(Array.from(pattern), Array.from(name), '*', (sign, character) => sign === '?' || sign === character, false)

/**
 * Fits parts against parts, where `any` stands for any number of them: on a misfit the last `any` takes one
 * more, so it takes at most the product of both lengths.
 */
function fitParts(
  pattern: readonly string[],
  parts: readonly string[],
  any: string,
  fitPart: (pattern: string, part: string) => boolean,
  beginningIsEnough: boolean,
): boolean {
  let [at, wanted] = [0, 0]
  let star: { wanted: number; at: number } | undefined
  while (at < parts.length) {
    const sign = pattern[wanted]
    if (sign === undefined && beginningIsEnough && pattern.length > 0) return true
    if (sign === any) star = { wanted: ++wanted, at }
    else if (sign !== undefined && fitPart(sign, parts[at] ?? '')) {
      at++
      wanted++
    } else if (star !== undefined) {
      star = { wanted: star.wanted, at: star.at + 1 }
      wanted = star.wanted
      at = star.at
    } else return false
  }
  return pattern.slice(wanted).every((sign) => sign === any)
}
