/**
 * Reads WQL: `SELECT * | names FROM class [WHERE terms]`, terms of comparisons, LIKE, IS [NOT] NULL,
 * AND, OR, NOT and brackets. ASSOCIATORS OF, REFERENCES OF and events are not read.
 *
 * Q1. Bounded: at most `MAX_WQL_LENGTH` characters, brackets and NOT `MAX_DEPTH` deep.
 */
import { readLikePattern } from './like.ts'
import type { PlacedName, WqlLiteral, WqlOperator, WqlQuery, WqlTerm } from './query.ts'
import { readTokens, WqlFault, type WqlToken } from './tokens.ts'

/** The longest query of the original (configmgr-behaviour §3.10). */
export const MAX_WQL_LENGTH = 16_384
const MAX_DEPTH = 100

export type WqlReading =
  | { ok: true; query: WqlQuery }
  /** `at`: characters before the fault. */
  | { ok: false; at: number; message: string }

export function parseWql(text: string): WqlReading {
  if (text.length > MAX_WQL_LENGTH)
    return { ok: false, at: MAX_WQL_LENGTH, message: `longer than ${MAX_WQL_LENGTH} characters` }
  try {
    return { ok: true, query: new Reader(readTokens(text)).query() }
  } catch (error) {
    if (error instanceof WqlFault) return { ok: false, at: error.at, message: error.message }
    throw error
  }
}

const operators: Readonly<Record<string, WqlOperator>> = {
  ...{ '=': '=', '<>': '<>', '!=': '<>', '<': '<', '<=': '<=', '>': '>', '>=': '>=' },
}
/** What a comparison says when its sides change places. */
const turned: Record<WqlOperator, WqlOperator> = { '=': '=', '<>': '<>', '<': '>', '<=': '>=', '>': '<', '>=': '<=' }
const reserved = /^(select|from|where|and|or|not|like|is|isa|null|true|false)$/i

class Reader {
  readonly #tokens: readonly WqlToken[]
  #next = 0
  #depth = 0

  constructor(tokens: readonly WqlToken[]) {
    this.#tokens = tokens
  }

  query(): WqlQuery {
    this.#expectWord('SELECT')
    const select = this.#takeSign('*') ? undefined : this.#names()
    this.#expectWord('FROM')
    const from = this.#name('the name of a class')
    const where = this.#takeWord('WHERE') ? this.#either() : undefined
    const left = this.#peek()
    if (left.kind !== 'end') throw new WqlFault(left.at, `"${left.text}" is not expected here`)
    return { select, from, where }
  }

  #names(): PlacedName[] {
    const names = [this.#name('* or the name of a property')]
    while (this.#takeSign(',')) names.push(this.#name('the name of a property'))
    return names
  }

  #either(): WqlTerm {
    return this.#chain('or', 'OR', () => this.#chain('and', 'AND', () => this.#one()))
  }

  #chain(kind: 'and' | 'or', word: string, read: () => WqlTerm): WqlTerm {
    const first = read()
    const terms = [first]
    while (this.#takeWord(word)) terms.push(read())
    return terms.length === 1 ? first : { kind, terms }
  }

  #one(): WqlTerm {
    const { at } = this.#peek()
    // Q1
    if (++this.#depth > MAX_DEPTH) throw new WqlFault(at, `nested deeper than ${MAX_DEPTH}`)
    const term = this.#unbounded()
    this.#depth--
    return term
  }

  #unbounded(): WqlTerm {
    if (this.#takeWord('NOT')) return { kind: 'not', term: this.#one() }
    if (this.#takeSign('(')) {
      const inside = this.#either()
      if (!this.#takeSign(')')) throw new WqlFault(this.#peek().at, 'expected AND, OR or ")"')
      return inside
    }
    const first = this.#peek()
    if (first.kind === 'string' || first.kind === 'number') {
      const value = this.#literal()
      const operator = turned[this.#operator()]
      return compare(this.#name('the name of a property'), operator, value)
    }
    const property = this.#name('the name of a property')
    const not = this.#takeWord('NOT')
    if (this.#takeWord('LIKE')) {
      const like = this.#like(property)
      return not ? { kind: 'not', term: like } : like
    }
    if (not) throw new WqlFault(this.#peek().at, 'expected LIKE')
    if (this.#takeWord('IS')) {
      const isNot = this.#takeWord('NOT')
      this.#expectWord('NULL')
      return isNull(property, isNot)
    }
    const { at } = this.#peek()
    const operator = this.#operator()
    if (!this.#takeWord('NULL')) return compare(property, operator, this.#literal())
    if (operator !== '=' && operator !== '<>') throw new WqlFault(at, 'NULL compares by = and <> only')
    return isNull(property, operator === '<>')
  }

  #like(property: PlacedName): WqlTerm {
    const { kind, text, at } = this.#take()
    if (kind !== 'string') throw new WqlFault(at, 'expected a pattern in quotes')
    const pattern = readLikePattern(text)
    if ('fault' in pattern) throw new WqlFault(at, pattern.fault)
    return { kind: 'like', property, pattern }
  }

  #operator(): WqlOperator {
    const { text, at } = this.#take()
    const operator = Object.hasOwn(operators, text) ? operators[text] : undefined
    if (operator === undefined) throw new WqlFault(at, 'expected one of = <> != < <= > >= LIKE IS')
    return operator
  }

  #literal(): WqlLiteral {
    const { kind, text, at } = this.#take()
    if (kind === 'string') return text
    if (kind === 'number') return numberOf(text)
    if (kind === 'word' && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true'
    throw new WqlFault(at, 'expected a text in quotes, a number, TRUE, FALSE or NULL')
  }

  #name(what: string): PlacedName {
    const { kind, text, at } = this.#take()
    if (kind !== 'word' || reserved.test(text)) throw new WqlFault(at, `expected ${what}`)
    return { name: text, at }
  }

  #expectWord(word: string): void {
    if (!this.#takeWord(word)) throw new WqlFault(this.#peek().at, `expected ${word}`)
  }

  #takeWord(word: string): boolean {
    const { kind, text } = this.#peek()
    return this.#takeIf(kind === 'word' && text.toUpperCase() === word)
  }

  #takeSign(sign: string): boolean {
    const { kind, text } = this.#peek()
    return this.#takeIf(kind === 'sign' && text === sign)
  }

  #takeIf(fits: boolean): boolean {
    if (fits) this.#next++
    return fits
  }

  #take(): WqlToken {
    const token = this.#peek()
    this.#next++
    return token
  }

  #peek(): WqlToken {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)] ?? { kind: 'end', text: '', at: 0 }
  }
}

const compare = (property: PlacedName, operator: WqlOperator, value: WqlLiteral): WqlTerm => ({
  ...{ kind: 'compare', property, operator, value },
})

const isNull = (property: PlacedName, not: boolean): WqlTerm =>
  not ? { kind: 'not', term: { kind: 'isNull', property } } : { kind: 'isNull', property }

/** Also hexadecimal, with a sign before it. */
export const numberOf = (text: string): number => {
  const size = Number(text.replace(/^[+-]/, ''))
  return text.startsWith('-') ? -size : size
}
