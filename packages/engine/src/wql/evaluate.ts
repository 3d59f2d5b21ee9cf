/**
 * Carries out a query over the facts of a device. Pure.
 *
 * V1. A property that is null compares with nothing: the comparison, and its NOT, are not met. Only
 *     IS [NOT] NULL looks at it.
 * V2. A class or property that the device cannot tell makes the query fail, but only where the answer
 *     hangs on it: what is known may decide before (`x AND y` is not met when `y` is not met).
 * V3. Texts compare without case, and a property that is a text compares as one, also with digits in
 *     it. A text stands for a number or for TRUE and FALSE where the property is one.
 */
import { wqlClass } from './classes.ts'
import { isLike } from './like.ts'
import { numberOf } from './parse.ts'
import type { PlacedName, WqlLiteral, WqlOperator, WqlQuery, WqlTerm } from './query.ts'

/** Properties by name. `null`: it has no value; absent: the device cannot tell. */
export type FactRow = Readonly<Record<string, string | number | boolean | null>>
/** Rows by name of class. Absent: the device cannot tell which there are. */
export type FactRows = Readonly<Record<string, readonly FactRow[]>>

export type WqlAnswer =
  | { ok: true; rows: readonly FactRow[]; lookedAt: readonly FactRow[] }
  /** The query failed: a sentence without its full stop. */
  | { ok: false; why: string }

export function answerWql(query: WqlQuery, facts: FactRows): WqlAnswer {
  const known = wqlClass(query.from.name)
  const className = known?.name ?? query.from.name
  const rows = Object.hasOwn(facts, className) ? facts[className] : undefined
  if (rows === undefined) return { ok: false, why: `this device cannot tell about ${className}` }
  const matching: FactRow[] = []
  const missing = new Set<string>()
  for (const row of rows) {
    const met = query.where === undefined ? true : meets(lowered(row), query.where)
    if (met === true) matching.push(row)
    else if (typeof met === 'object' && met !== null) missing.add(met.missing)
  }
  // A row that surely matches decides, whatever is not known of others.
  const [first] = missing
  if (matching.length === 0 && first !== undefined)
    return { ok: false, why: `this device cannot tell ${first} of ${className}` }
  return { ok: true, rows: matching, lookedAt: rows }
}

/** `null` as in SQL: neither met nor not met (V1). */
type Met = boolean | null | { missing: string }
type LoweredRow = ReadonlyMap<string, FactRow[string]>

const lowered = (row: FactRow): LoweredRow =>
  new Map(Object.entries(row).map(([name, value]) => [name.toLowerCase(), value]))

function meets(row: LoweredRow, term: WqlTerm): Met {
  switch (term.kind) {
    case 'and':
    case 'or':
      return joined(
        term.kind === 'or',
        term.terms.map((inner) => meets(row, inner)),
      )
    case 'not': {
      const inner = meets(row, term.term)
      return typeof inner === 'boolean' ? !inner : inner
    }
    case 'isNull':
      return withValue(row, term.property, (value) => value === null)
    case 'like':
      return withValue(row, term.property, (value) => (value === null ? null : isLike(String(value), term.pattern)))
    case 'compare':
      return withValue(row, term.property, (value) => compares(value, term.operator, term.value))
  }
}

/** V2 */
function joined(deciding: boolean, met: readonly Met[]): Met {
  if (met.includes(deciding)) return deciding
  return met.find((one) => typeof one === 'object' && one !== null) ?? (met.includes(null) ? null : !deciding)
}

function withValue(row: LoweredRow, { name }: PlacedName, decide: (value: FactRow[string]) => boolean | null): Met {
  const value = row.get(name.toLowerCase())
  return value === undefined ? { missing: name } : decide(value)
}

/** V1, V3 */
function compares(value: FactRow[string], operator: WqlOperator, wanted: WqlLiteral): boolean | null {
  if (value === null) return null
  if (typeof value === 'string') return ordered(value.toLowerCase(), operator, String(wanted).toLowerCase())
  const number = wantedNumber(value, wanted)
  return number === undefined ? null : ordered(Number(value), operator, number)
}

function wantedNumber(value: number | boolean, wanted: WqlLiteral): number | undefined {
  if (typeof wanted !== 'string') return Number(wanted)
  const text = wanted.trim()
  if (typeof value === 'boolean' && /^(true|false)$/i.test(text)) return Number(text.toLowerCase() === 'true')
  return /^[+-]?(\d+(\.\d+)?|0x[0-9a-f]+)$/i.test(text) ? numberOf(text) : undefined
}

function ordered<T extends string | number>(left: T, operator: WqlOperator, right: T): boolean {
  if (operator === '=') return left === right
  if (operator === '<>') return left !== right
  if (operator === '<') return left < right
  if (operator === '<=') return left <= right
  return operator === '>' ? left > right : left >= right
}
