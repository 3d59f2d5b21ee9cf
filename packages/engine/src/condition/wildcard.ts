/**
 * Whether a text is like a pattern: `*` stands for any text, `?` for one character, upper and lower
 * case are the same. Takes at most (length of the text) × (length of the pattern) steps.
 */
export function likeText(text: string, pattern: string): boolean {
  const [signs, wanted] = [Array.from(text.toLowerCase()), Array.from(pattern.toLowerCase())]
  let [at, part] = [0, 0]
  /** Where to go on when what follows the last `*` does not fit: the `*` takes one character more. */
  let star: { part: number; at: number } | undefined
  while (at < signs.length) {
    if (wanted[part] === '*') star = { part: ++part, at }
    else if (part < wanted.length && (wanted[part] === '?' || wanted[part] === signs[at])) {
      at++
      part++
    } else if (star !== undefined) {
      star = { part: star.part, at: star.at + 1 }
      part = star.part
      at = star.at
    } else return false
  }
  return wanted.slice(part).every((sign) => sign === '*')
}
