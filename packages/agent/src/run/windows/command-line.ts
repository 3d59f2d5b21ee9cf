/**
 * Windows gives a program one text and not words: how words become that text. Pure.
 *
 *   - Most programs split the text as the C runtime does ("Parsing C++ command-line arguments", Microsoft Learn):
 *     backslashes count only before a quotation mark.
 *   - `NAME=value` is quoted after the `=`: the C runtime reads the same word, and `msiexec` only takes this one.
 *   - `cmd.exe` splits by rules of its own and knows no backslash: what stands after `/c` is its text, in one pair of
 *     quotation marks that `/s` makes it take off, and without the commands of the registry (`/d`).
 */

const PLAIN = /^[^\s"]+$/
const ASSIGNMENT = /^([A-Za-z_][\w.-]*=)(.*)$/s

/** @param argv as the step has it, variables put in; the first is the program */
export function commandLineOf(argv: readonly string[]): string {
  const [program = '', ...words] = argv
  const at = isCommandInterpreter(program) ? words.findIndex((word) => /^\/[ck]$/i.test(word)) : -1
  if (at < 0) return [quoteProgram(program), ...words.map(quoteWord)].join(' ')
  const [switches, text] = [words.slice(0, at), words.slice(at + 1)]
  // A single word is text for the interpreter as it is; of several, those with blanks keep together.
  const inner = text.length === 1 ? text[0] : text.map((word) => (/\s|^$/.test(word) ? `"${word}"` : word)).join(' ')
  return [quoteProgram(program), ...switches, '/d', '/s', words[at], `"${inner}"`].join(' ')
}

/** Programs that Windows would hand to `cmd.exe` by itself, where the words of a step would become its commands. */
export const isBatchFile = (program: string): boolean => /\.(bat|cmd)[\s.]*$/i.test(program)

const isCommandInterpreter = (program: string): boolean => /^(.*[\\/])?cmd(\.exe)?$/i.test(program)

/** The program's own name knows no escapes, and no file has a quotation mark in its name. */
const quoteProgram = (program: string): string => `"${program.replaceAll('"', '')}"`

export function quoteWord(word: string): string {
  if (PLAIN.test(word)) return word
  const [, name = '', value = word] = ASSIGNMENT.exec(word) ?? []
  // Backslashes before a quotation mark, and before the one that ends the word, count twice.
  const escaped = value.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, '$1$1')
  return `${name}"${escaped}"`
}
