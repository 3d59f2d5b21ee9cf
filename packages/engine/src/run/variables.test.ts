import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Environment, expand, MASK, type Variables, variablesIn } from './variables.ts'

const variables: Variables = {
  model: { name: 'Model', value: 'Lodestar 14', hidden: false },
  pin: { name: 'Pin', value: '1234', hidden: true },
}
const environment = (): Environment => new Environment(variables, () => 7)
const expanded = (text: string): string => {
  const result = expand(text, variables)
  assert.ok(result.ok)
  return result.value.value
}

test('%name% is replaced once and without case; what has no value stays as written', () => {
  assert.equal(expanded('on %MODEL%, 100 % of %nothing% %'), 'on Lodestar 14, 100 % of %nothing% %')
  assert.equal(expanded('%nothing%model%'), '%nothingLodestar 14')
  const nested: Variables = {
    a: { name: 'a', value: '%b%', hidden: false },
    b: { name: 'b', value: 'x', hidden: false },
  }
  const result = expand('%a%', nested)
  assert.equal(result.ok && result.value.value, '%b%')
  assert.deepEqual(variablesIn('%a% %b c% 5 % %_d%'), ['a', '_d'])
})

test('names such as constructor and __proto__ are variables like others', () => {
  assert.equal(expanded('%constructor% %__proto__% %toString%'), '%constructor% %__proto__% %toString%')
  const env = environment()
  assert.equal(env.get('__proto__'), undefined)
  assert.equal(env.set('constructor', 'x'), undefined)
  assert.equal(env.get('CONSTRUCTOR'), 'x')
  env.setOwn('__proto__', 'y')
  assert.equal(env.get('__proto__'), 'y')
  assert.equal(env.get('model'), 'Lodestar 14')
})

test('a hidden value is masked wherever it is shown, and stays hidden', () => {
  const result = expand('pin=%Pin%', variables)
  assert.ok(result.ok)
  assert.deepEqual(result.value, { value: 'pin=1234', shown: `pin=${MASK}`, hidden: true })
  const env = environment()
  env.set('pin', '9999')
  assert.equal(env.get('Pin'), '9999')
  assert.deepEqual(env.changes, [{ kind: 'variableSet', at: 7, name: 'pin', value: MASK, hidden: true }])
})

test('an empty value removes; a leading _ is read-only', () => {
  const env = environment()
  assert.equal(env.set('MODEL', ''), undefined)
  assert.equal(env.get('Model'), undefined)
  assert.equal(env.set('_SMSTSModel', 'x')?.code, 'VARIABLE_REFUSED')
  assert.equal(env.set('two words', 'x')?.code, 'VARIABLE_REFUSED')
  assert.equal(variables.model?.value, 'Lodestar 14')
})

test('limits: 4,000 characters a value, 1,000 variables, 32,000 characters of expanded text', () => {
  const env = new Environment({}, () => 0)
  assert.equal(env.set('a', 'x'.repeat(4000)), undefined)
  assert.match(env.set('a', 'x'.repeat(4001))?.detail ?? '', /4001 characters/)
  const long = env.expand('%a%'.repeat(9))
  assert.match(long.ok ? '' : long.problem.detail, /32000 characters/)
  for (let count = 1; count < 1000; count++) assert.equal(env.set(`v${count}`, 'x'), undefined)
  assert.match(env.set('oneMore', 'x')?.detail ?? '', /one more than 1000/)
  assert.equal(env.set('v1', 'changed'), undefined)
  env.setOwn('_SMSTSLastActionName', 'x'.repeat(5000))
  assert.equal(env.get('_SMSTSLastActionName')?.length, 4000)
})
