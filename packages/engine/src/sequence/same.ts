/** Whether two values of JSON are the same; the order of fields does not count, and an undefined one is none. */
export function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) || Array.isArray(b))
    return (
      Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, index) => same(item, b[index]))
    )
  const [ofA, ofB] = [fieldsOf(a), fieldsOf(b)]
  return (
    ofA.length === ofB.length &&
    ofA.every(([name, value]) => Object.hasOwn(b, name) && same(value, Reflect.get(b, name)))
  )
}

const fieldsOf = (value: object): [string, unknown][] =>
  Object.entries(value).filter(([, inner]) => inner !== undefined)
