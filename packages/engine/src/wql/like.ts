/**
 * LIKE of WQL: `%` stands for any text, `_` for one character, `[…]` for one of a set with ranges,
 * `[^…]` for one outside of it; upper and lower case are the same. Every sign in a set is itself, so
 * `[%]` is a percent sign.
 */
import { fitParts } from '../condition/wildcard.ts'

export type LikePattern = readonly LikePart[]

type LikePart =
  | { kind: 'any' }
  | { kind: 'one' }
  | { kind: 'sign'; sign: string }
  | { kind: 'set'; except: boolean; ranges: readonly (readonly [from: string, to: string])[] }

/** The pattern, or what is wrong with it. */
export function readLikePattern(text: string): LikePattern | { fault: string } {
  const signs = Array.from(text.toLowerCase())
  const parts: LikePart[] = []
  for (let at = 0; at < signs.length; at++) {
    const sign = signs[at] ?? ''
    if (sign === '%') parts.push({ kind: 'any' })
    else if (sign === '_') parts.push({ kind: 'one' })
    else if (sign !== '[') parts.push({ kind: 'sign', sign })
    else {
      // A `]` that comes first is itself.
      const except = signs[at + 1] === '^'
      const from = at + (except ? 2 : 1)
      const end = signs.indexOf(']', from + 1)
      if (end < 0) return { fault: 'a set in the pattern has no "]"' }
      const ranges = readRanges(signs.slice(from, end))
      if (ranges === undefined) return { fault: 'a range in the pattern runs backwards' }
      parts.push({ kind: 'set', except, ranges })
      at = end
    }
  }
  return parts
}

function readRanges(signs: readonly string[]): [string, string][] | undefined {
  const ranges: [string, string][] = []
  for (let at = 0; at < signs.length; at++) {
    const from = signs[at] ?? ''
    const to = signs[at + 1] === '-' ? signs[at + 2] : undefined
    if (to === undefined) ranges.push([from, from])
    else if (to < from) return undefined
    else {
      ranges.push([from, to])
      at += 2
    }
  }
  return ranges
}

export function isLike(text: string, pattern: LikePattern): boolean {
  return fitParts(pattern, Array.from(text.toLowerCase()), {
    isAny: ({ kind }) => kind === 'any',
    fits: (part, sign) => fits(sign, part),
  })
}

function fits(sign: string, part: LikePart): boolean {
  if (part.kind === 'sign') return sign === part.sign
  if (part.kind === 'set') return part.ranges.some(([from, to]) => from <= sign && sign <= to) !== part.except
  return part.kind === 'one'
}
