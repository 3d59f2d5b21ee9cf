import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Condition } from '@sluice/protocol'
import type { FileFacts } from '../host.ts'
import type { Variables } from '../run/variables.ts'
import { ManualHost } from '../testing/index.ts'
import { compareValues } from './compare.ts'
import { type DecidingHost, type Decision, decide } from './condition.ts'
import { likeText } from './wildcard.ts'

const variables: Variables = {
  _smstsmodel: { name: '_SMSTSModel', value: 'Lodestar 14', hidden: false },
  code: { name: 'Code', value: '3247440400', hidden: false },
  pin: { name: 'Pin', value: '1234', hidden: true },
  root: { name: 'Root', value: '/data', hidden: false },
}
const changed = Date.UTC(2026, 0, 2, 3, 4, 5, 678)
const files: Record<string, FileFacts> = {
  '/data/app': { kind: 'file', modifiedMs: changed, version: '10.0.16299' },
  '/data': { kind: 'folder', modifiedMs: changed, version: undefined },
}
const looked: string[] = []
class LookingHost extends ManualHost {
  override async file(path: string): Promise<FileFacts | undefined> {
    looked.push(path)
    return files[path]
  }
}
const host: DecidingHost = new LookingHost()
const decided = (condition: unknown): Promise<Decision> => decide(Condition.parse(condition), variables, host)
const holds = async (condition: unknown): Promise<boolean> => (await decided(condition)).result

test('whole numbers compare as numbers, versions part by part, the rest as text without case', () => {
  assert.ok(compareValues('9', '10') < 0)
  assert.ok(compareValues('-2', '1') < 0)
  assert.equal(compareValues('007', '7'), 0)
  assert.ok(compareValues('10.0.9', '10.0.16299') < 0)
  assert.equal(compareValues('12', '12.0'), 0)
  assert.ok(compareValues('10.10', '10.9') > 0)
  assert.equal(compareValues('Lodestar', 'LODESTAR'), 0)
  assert.ok(compareValues('9a', '10a') > 0)
  assert.ok(compareValues('1'.repeat(900), '2') > 0)
})

test('variables: every operator', async () => {
  const code = (operator: string, value: string) => holds({ variable: 'code', operator, value })
  assert.deepEqual(
    await Promise.all([
      code('equals', '3247440400'),
      code('notEquals', '3247440400'),
      code('less', '4000000000'),
      code('lessEqual', '3247440400'),
      code('greater', '5'),
      code('greaterEqual', '3247440401'),
      holds({ variable: 'CODE', operator: 'exists' }),
      holds({ variable: 'CODE', operator: 'notExists' }),
    ]),
    [true, false, true, true, true, false, true, false],
  )
})

test('a variable that is not there: only notEquals and notExists hold', async () => {
  const holding: string[] = []
  for (const operator of ['equals', 'notEquals', 'less', 'lessEqual', 'greater', 'greaterEqual'])
    if (await holds({ variable: 'Nothing', operator, value: '' })) holding.push(operator)
  for (const operator of ['exists', 'notExists'])
    if (await holds({ variable: 'Nothing', operator })) holding.push(operator)
  assert.deepEqual(holding, ['notEquals', 'notExists'])
  assert.equal(await holds({ variable: 'toString', operator: 'exists' }), false)
})

test('like and notLike: * is any text, ? one character, without case', async () => {
  const model = (operator: string, value: string) => holds({ variable: '_SMSTSModel', operator, value })
  for (const pattern of ['*', 'LODESTAR*', '*14', '*star*1?', 'Lodestar 14', '*?*', '**'])
    assert.ok(await model('like', pattern), pattern)
  for (const pattern of ['', 'Lodestar', '?', '*15', 'Lodestar 14?', '*star 1'])
    assert.ok(await model('notLike', pattern))
  assert.ok(!(await holds({ variable: 'Nothing', operator: 'like', value: '*' })))
  assert.ok(await holds({ variable: 'Nothing', operator: 'notLike', value: '*' }))
  const slow = 'a'.repeat(4000)
  assert.ok(!likeText(slow, `${'*a'.repeat(1999)}*b`))
})

test('variables in the wanted value are expanded', async () => {
  const same = await decided({ variable: 'Root', operator: 'equals', value: '%Root%' })
  assert.ok(same.result)
  assert.equal(same.trace, 'Root is "/data", must equal "/data": yes')
  const hidden = await decided({ variable: 'Root', operator: 'equals', value: '%Pin%' })
  assert.equal(hidden.trace, 'Root is "/data", must equal "********": no')
})

test('a condition without anything in it holds; one of a kind that cannot be decided is an error', async () => {
  assert.ok(await holds({ always: true }))
  assert.ok(await holds({ variable: 'Code', operator: 'exists', value: '' }))
  for (const kind of [{ kept: '<expression/>' }, { wmi: 'SELECT * FROM X', namespace: 'root' }])
    await assert.rejects(decided({ none: [kind] }), /not refused before the run/)
})

test('files and folders: existence, version and time, with variables in the path', async () => {
  assert.ok(await holds({ file: '%Root%/app' }))
  assert.ok(!(await holds({ folder: '%Root%/app' })))
  assert.ok(await holds({ folder: '/data' }))
  assert.ok(await holds({ file: '/data/app', version: { operator: 'greater', value: '10.0.9999' } }))
  assert.ok(!(await holds({ file: '/nothing', version: { operator: 'notEquals', value: '1' } })))
  assert.ok(await holds({ folder: '/data', modified: { operator: 'equals', value: '2026-01-02T03:04:05Z' } }))
  assert.ok(!(await holds({ folder: '/data', modified: { operator: 'less', value: '2026-01-02T03:04:05Z' } })))
})

test('all, any and none, nested; what is not needed is not looked at', async () => {
  const yes = { variable: 'Code', operator: 'exists' }
  const no = { variable: 'Code', operator: 'notExists' }
  const table: [unknown, boolean][] = [
    [{ all: [yes, yes] }, true],
    [{ all: [yes, no] }, false],
    [{ any: [no, yes] }, true],
    [{ any: [no, no] }, false],
    [{ none: [no, no] }, true],
    [{ none: [no, yes] }, false],
    [{ all: [{ any: [no, { none: [no] }] }, { none: [{ all: [yes, no] }] }] }, true],
  ]
  for (const [condition, expected] of table) assert.equal(await holds(condition), expected, JSON.stringify(condition))
  looked.length = 0
  await holds({ all: [no, { file: '/data/app' }] })
  await holds({ any: [yes, { file: '/data/app' }] })
  assert.deepEqual(looked, [])
})

test('the trace says what was found, and never a hidden value', async () => {
  const { trace } = await decided({
    all: [
      { variable: '_SMSTSModel', operator: 'equals', value: 'lodestar 14' },
      { file: '%Root%/app', version: { operator: 'less', value: '11' } },
      { variable: 'Missing', operator: 'exists' },
    ],
  })
  assert.equal(
    trace,
    'all of (_SMSTSModel is "Lodestar 14", must equal "lodestar 14": yes; file /data/app is there, version is 10.0.16299, must be less than 11: yes; Missing is not set, must be set: no): no',
  )
  const hidden = await decided({ variable: 'Pin', operator: 'equals', value: '1234' })
  assert.ok(hidden.result)
  assert.equal(hidden.trace, 'Pin is "********", must equal "********": yes')
  const path = await decided({ file: '/x/%Pin%' })
  assert.equal(path.trace, 'file /x/******** is not there: no')
})
