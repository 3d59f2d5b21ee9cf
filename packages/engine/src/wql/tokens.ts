/** The words of a WQL text. */

export interface WqlToken {
  kind: 'word' | 'string' | 'number' | 'sign' | 'end'
  /** Of a string: what it stands for. */
  text: string
  /** Characters before it. */
  at: number
}

/** A text that is no query, and where that shows. */
export class WqlFault extends Error {
  /** Characters before the fault. */
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

const token = /\s*(?:([A-Za-z_][A-Za-z0-9_]*)|([+-]?(?:0x[0-9a-f]+|\d+(?:\.\d+)?))|(<>|!=|<=|>=|[=<>(),*])|(["']))/iy

/** @throws WqlFault */
export function readTokens(text: string): WqlToken[] {
  const tokens: WqlToken[] = []
  let at = 0
  while (text.slice(at).trimStart() !== '') {
    token.lastIndex = at
    const match = token.exec(text)
    const start = text.length - text.slice(at).trimStart().length
    if (match === null) throw new WqlFault(start, `"${text.charAt(start)}" has no meaning here`)
    const [, word, number, sign, quote] = match
    at = token.lastIndex
    if (quote !== undefined) {
      const read = readString(text, at, quote)
      if (read === undefined) throw new WqlFault(start, 'the text in quotes does not end')
      tokens.push({ kind: 'string', text: read.value, at: start })
      at = read.end
    } else if (word !== undefined) tokens.push({ kind: 'word', text: word, at: start })
    else if (number !== undefined) tokens.push({ kind: 'number', text: number, at: start })
    else tokens.push({ kind: 'sign', text: sign ?? '', at: start })
  }
  tokens.push({ kind: 'end', text: '', at: text.length })
  return tokens
}

/** A backslash takes the meaning from a quote and from itself; before anything else it is itself. */
function readString(text: string, from: number, quote: string): { value: string; end: number } | undefined {
  let value = ''
  for (let at = from; at < text.length; at++) {
    const sign = text.charAt(at)
    const next = text.charAt(at + 1)
    if (sign === quote) return { value, end: at + 1 }
    if (sign === '\\' && (next === '\\' || next === '"' || next === "'")) at++
    value += sign === '\\' ? text.charAt(at) : sign
  }
  return undefined
}
