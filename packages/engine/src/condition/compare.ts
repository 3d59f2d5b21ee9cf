import type { Compare } from '@sluice/protocol'

/**
 * Orders two values as people mean them: whole numbers as numbers, `10.0.16299` and the like part by
 * part (a part that is missing counts as 0), everything else as text without case.
 * @returns below 0, 0 or above 0
 */
export function compareValues(left: string, right: string): number {
  const [a, b] = [left.trim(), right.trim()]
  if (wholeNumber.test(a) && wholeNumber.test(b)) return compareNumbers(a, b)
  if (dotted.test(a) && dotted.test(b)) return compareParts(a.split('.'), b.split('.'))
  const [x, y] = [left.toLowerCase(), right.toLowerCase()]
  return x < y ? -1 : x > y ? 1 : 0
}

export function holds(operator: Compare, order: number): boolean {
  switch (operator) {
    case 'equals':
      return order === 0
    case 'notEquals':
      return order !== 0
    case 'less':
      return order < 0
    case 'lessEqual':
      return order <= 0
    case 'greater':
      return order > 0
    case 'greaterEqual':
      return order >= 0
  }
}

const wholeNumber = /^[+-]?[0-9]{1,1000}$/
const dotted = /^[0-9]{1,1000}(\.[0-9]{1,1000}){0,100}$/

const compareNumbers = (a: string, b: string): number => {
  const [x, y] = [BigInt(a.replace('+', '')), BigInt(b.replace('+', ''))]
  return x < y ? -1 : x > y ? 1 : 0
}

function compareParts(a: string[], b: string[]): number {
  for (let index = 0; index < Math.max(a.length, b.length); index++) {
    const order = compareNumbers(a[index] ?? '0', b[index] ?? '0')
    if (order !== 0) return order
  }
  return 0
}
