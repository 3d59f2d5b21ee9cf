import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lookUpAtOnce } from './at-once.ts'

test('who asks at the same moment is answered by one statement; who asks later by another', async () => {
  const statements: number[][] = []
  const lookUp = lookUpAtOnce(async (keys: readonly number[]) => {
    statements.push([...keys])
    return new Map(keys.filter((key) => key > 0).map((key) => [key, `row ${key}`]))
  })
  assert.deepEqual(await Promise.all([1, 2, 1, -1].map(lookUp)), ['row 1', 'row 2', 'row 1', undefined])
  assert.equal(await lookUp(1), 'row 1')
  assert.deepEqual(statements, [[1, 2, -1], [1]])
})

test('one statement has a bounded number of keys', async () => {
  const statements: number[] = []
  const lookUp = lookUpAtOnce(async (keys: readonly number[]) => {
    statements.push(keys.length)
    return new Map(keys.map((key) => [key, key]))
  })
  const keys = Array.from({ length: 150 }, (_, i) => i)
  assert.deepEqual(await Promise.all(keys.map(lookUp)), keys)
  assert.deepEqual(statements, [64, 64, 22])
})

test('a statement that fails fails for those who waited for it', async () => {
  let broken = true
  const lookUp = lookUpAtOnce(async (keys: readonly number[]) => {
    if (broken) throw new Error('the database is gone')
    return new Map(keys.map((key) => [key, key]))
  })
  const [one, two] = await Promise.allSettled([lookUp(1), lookUp(2)])
  assert.deepEqual([one?.status, two?.status], ['rejected', 'rejected'])
  broken = false
  assert.equal(await lookUp(1), 1)
})
