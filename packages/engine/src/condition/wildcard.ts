/** Patterns in which one sign stands for any number of others. */

export interface PatternRules<P, T> {
  /** Whether this part of a pattern stands for any number of parts, none included. */
  isAny(pattern: P): boolean
  /** Whether it stands for this one part. */
  fits(pattern: P, part: T): boolean
  /** A pattern that is used up fits, whatever follows. */
  beginningIsEnough?: boolean
}

/**
 * Whether the parts are like the pattern. On a misfit the last sign for any number takes one part more, so it takes at most
 * (number of parts) × (length of the pattern) steps.
 */
export function fitParts<P, T>(pattern: readonly P[], parts: readonly T[], rules: PatternRules<P, T>): boolean {
  const { isAny, fits, beginningIsEnough = false } = rules
  let wanted = 0
  let at = 0
  /** The last sign for any number of parts: what follows it in the pattern, and the part that it takes no more. */
  let open: { wanted: number; at: number } | undefined
  for (let part = parts[at]; part !== undefined; part = parts[at]) {
    const sign = pattern[wanted]
    if (sign === undefined && beginningIsEnough && pattern.length > 0) return true
    if (sign !== undefined && isAny(sign)) open = { wanted: ++wanted, at }
    else if (sign !== undefined && fits(sign, part)) {
      at++
      wanted++
    } else if (open !== undefined) {
      open.at += 1
      wanted = open.wanted
      at = open.at
    } else return false
  }
  return pattern.slice(wanted).every(isAny)
}

/** Whether a text is like a pattern: `*` stands for any text, `?` for one character, upper and lower case are the same. */
export function likeText(text: string, pattern: string): boolean {
  return fitParts(Array.from(pattern.toLowerCase()), Array.from(text.toLowerCase()), {
    isAny: (sign) => sign === '*',
    fits: (sign, character) => sign === '?' || sign === character,
  })
}
