import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from './pattern.ts'

const matches = (pattern: string, value: string): boolean => {
  const compiled = compilePattern(pattern)
  assert.ok(compiled.ok, `${pattern}: ${compiled.ok ? '' : compiled.problem.detail}`)
  return compiled.value.matches(value)
}
const refusal = (pattern: string): string => {
  const compiled = compilePattern(pattern)
  assert.ok(!compiled.ok, pattern)
  return compiled.problem.detail
}

test('a pattern matches the whole value', () => {
  assert.ok(matches('de|sv', 'de'))
  assert.ok(!matches('de|sv', 'den'))
  assert.ok(matches('^[A-Z]{3}[0-9A-F]{5}$', 'ABC0001F'))
  assert.ok(!matches('^[A-Z]{3}[0-9A-F]{5}$', 'abc0001F'))
  assert.ok(matches('\\d+(\\.\\d+)*', '10.0.16299'))
  assert.ok(!matches('\\d+(\\.\\d+)*', '10.'))
  assert.ok(matches('[^/]+', 'näme 😀'))
  assert.ok(matches('a{0}b?', ''))
})

test('what cannot be matched without going back is refused, with the reason', () => {
  assert.match(refusal('(a)\\1'), /"\\1" is not supported/)
  assert.match(refusal('(?=a)a'), /only groups without names/)
  assert.match(refusal('(?<n>a)'), /only groups without names/)
  assert.match(refusal('a('), /"\(" without "\)"/)
  assert.match(refusal('a)'), /"\)" without "\("/)
  assert.match(refusal('[z-a]'), /a range/)
  assert.match(refusal('a{2'), /a count/)
  assert.match(refusal('**'), /nothing to refer to/)
  assert.match(refusal('.{0,4000}'), /use maxLength/)
  assert.match(refusal('(((){9999}){9999}){9999}'), /use maxLength/)
  assert.match(refusal('((((a{99}){99}){99}){99})'), /use maxLength/)
})

test('patterns that make backtracking matchers hang are quick', () => {
  const value = `${'a'.repeat(4000)}!`
  for (const pattern of ['(a+)+', '(a|a)*', '(a*)*b', '.*.*.*.*x', '(a?){50}a{50}'])
    assert.equal(matches(pattern, value), false, pattern)
})

test('it agrees with the regular expressions of the language', () => {
  const atom = fc.constantFrom('a', 'b', '[ab]', '[^a]', '\\d', '.', '(?:a|bc)', '(b)')
  const pattern: fc.Arbitrary<string> = fc
    .array(fc.tuple(atom, fc.constantFrom('', '*', '+', '?', '{2}', '{1,2}', '{1,}')), { maxLength: 4 })
    .map((parts) => parts.map(([part, count]) => part + count).join(''))
  const either = fc.array(pattern, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('|'))
  const value = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '1'), maxLength: 6 })
  fc.assert(
    fc.property(either, value, (text, tried) => {
      assert.equal(matches(text, tried), new RegExp(`^(?:${text})$`, 'u').test(tried))
    }),
    { seed: 7, numRuns: 2000 },
  )
})
