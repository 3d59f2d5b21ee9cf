/**
 * Conditions that can never hold. Only what is sure is told: whatever the device is, and whatever scripts
 * set on the way.
 */
import type { Condition } from '@sluice/protocol'
import { compareValues, holds } from './compare.ts'
import { likeText } from './wildcard.ts'

/** Variables that have the same value in every run (docs: variables set by Sluice). */
const constants: Readonly<Record<string, string>> = {
  _smstsinwinpe: 'false',
  _smstslaunchmode: 'SMS',
  _smstsrunfromdp: 'false',
  _smstsusessl: 'true',
  _smstsusecrl: 'true',
  _smstswtg: 'false',
}

/** Surely not, whatever the device is and whatever the variables are. Most that never hold are not found. */
export function neverHolds(condition: Condition): boolean {
  if ('variable' in condition) {
    const value = constantOf(condition)
    return value !== undefined && !meets(value, condition)
  }
  if ('all' in condition) return condition.all.some(neverHolds) || contradict(condition.all)
  if ('any' in condition) return condition.any.every(neverHolds)
  if ('none' in condition) return condition.none.some(alwaysHolds)
  return false
}

function alwaysHolds(condition: Condition): boolean {
  if ('always' in condition) return true
  if ('variable' in condition) {
    const value = constantOf(condition)
    return value !== undefined && meets(value, condition)
  }
  if ('all' in condition) return condition.all.every(alwaysHolds)
  if ('any' in condition) return condition.any.some(alwaysHolds)
  return 'none' in condition && condition.none.every(neverHolds)
}

export type OfVariable = Extract<Condition, { variable: string }>

const constantOf = ({ variable, value = '' }: OfVariable): string | undefined =>
  isLiteral(value) && Object.hasOwn(constants, variable.toLowerCase()) ? constants[variable.toLowerCase()] : undefined

/** Without variables of its own. */
const isLiteral = (value: string): boolean => !value.includes('%')

function meets(found: string, { operator, value = '' }: OfVariable): boolean {
  if (operator === 'exists') return true
  if (operator === 'notExists') return false
  if (operator === 'like') return likeText(found, value)
  if (operator === 'notLike') return !likeText(found, value)
  return holds(operator, compareValues(found, value))
}

/** Conditions that must hold together: two of them that cannot. */
function contradict(conditions: readonly Condition[]): boolean {
  const byVariable = new Map<string, OfVariable[]>()
  const rest: Condition[] = []
  for (const one of conditions.flatMap(parts))
    if ('variable' in one) {
      const key = one.variable.toLowerCase()
      byVariable.set(key, [...(byVariable.get(key) ?? []), one])
    } else rest.push(one)
  if ([...byVariable.values()].some((same) => same.some((a, index) => same.slice(index + 1).some((b) => oppose(a, b)))))
    return true
  const texts = new Set(conditions.flatMap(parts).map((one) => JSON.stringify(one)))
  return rest.some((one) => 'none' in one && one.none.some((inner) => texts.has(JSON.stringify(inner))))
}

/** What an *all* inside an *all* asks for is asked for beside it. */
const parts = (condition: Condition): Condition[] => ('all' in condition ? condition.all.flatMap(parts) : [condition])

/** Two conditions on one variable that never hold together. */
export function oppose(a: OfVariable, b: OfVariable): boolean {
  if (a.operator === 'notExists' || b.operator === 'notExists')
    return needsValue.has(a.operator) || needsValue.has(b.operator)
  if (!isLiteral(a.value ?? '') || !isLiteral(b.value ?? '')) return false
  if (a.operator === 'equals') return !meets(a.value, b)
  if (b.operator === 'equals') return !meets(b.value, a)
  if (a.operator === 'like' && b.operator === 'notLike') return a.value.toLowerCase() === b.value.toLowerCase()
  if (b.operator === 'like' && a.operator === 'notLike') return a.value.toLowerCase() === b.value.toLowerCase()
  const [low, high] = [a, b].find(isLower) === a ? [a, b] : [b, a]
  if (!isLower(low) || !isUpper(high) || !isNumber(low.value) || !isNumber(high.value)) return false
  const order = compareValues(low.value, high.value)
  return order > 0 || (order === 0 && (low.operator === 'greater' || high.operator === 'less'))
}

type Bound = Extract<OfVariable, { value: string }>
const isLower = (one: OfVariable): one is Bound => one.operator === 'greater' || one.operator === 'greaterEqual'
const isUpper = (one: OfVariable): one is Bound => one.operator === 'less' || one.operator === 'lessEqual'
/** Texts have no order that a person means, and one between a number and a text is none. */
const isNumber = (value: string): boolean => /^\s*[0-9]{1,100}(\.[0-9]{1,100})*\s*$/.test(value)

/** Not met by a variable without a value. */
const needsValue: ReadonlySet<OfVariable['operator']> = new Set([
  ...(['exists', 'equals', 'like', 'less', 'lessEqual', 'greater', 'greaterEqual'] as const),
])

/** Conditions on variables that hold wherever this one does: itself, and those in an *all*. */
export const surelyAsked = (condition: Condition): OfVariable[] =>
  parts(condition).filter((one): one is OfVariable => 'variable' in one)
