import { failed, ok, problem, type Result } from '@sluice/protocol'

/**
 * Splits a command line into words, without a shell and the same way on every system:
 * blanks separate words; `"…"` and `'…'` keep blanks, also in the middle of a word; inside either, the
 * same quote doubled is one quote; everything else, the backslash included, is itself. `""` alone is
 * an empty word. `SEQUENCE_INVALID` when a quote is not closed or no word is left.
 */
export function splitCommandLine(text: string): Result<string[]> {
  const words: string[] = []
  let word: string | undefined
  for (let at = 0; at < text.length; at++) {
    const sign = text.charAt(at)
    if (sign === '"' || sign === "'") {
      const start = at
      word ??= ''
      for (at++; ; at++) {
        if (at >= text.length)
          return failed(problem('SEQUENCE_INVALID', `The quote ${sign} at character ${start + 1} is not closed.`))
        if (text.charAt(at) !== sign) word += text.charAt(at)
        else if (text.charAt(at + 1) === sign) word += text.charAt(++at)
        else break
      }
    } else if (/\s/.test(sign)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else word = (word ?? '') + sign
  }
  if (word !== undefined) words.push(word)
  return words.length > 0 && words[0] !== '' ? ok(words) : failed(problem('SEQUENCE_INVALID', 'The command is empty.'))
}
