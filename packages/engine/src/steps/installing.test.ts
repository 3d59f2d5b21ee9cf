import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, type SequenceNode } from '@sluice/protocol'
import type { Action } from '../host.ts'
import { sequenceOf, variableOf, type WholeRun, type WholeRunOptions, wholeRun } from '../testing/index.ts'

const [A, B] = [PackageId.parse('ABC00001'), PackageId.parse('ABC00002')]
const ran = ({ host }: WholeRun): string[] =>
  host.executed.map((action) =>
    action.kind === 'command' ? `${action.workingDirectory ?? '-'}: ${action.argv.join(' ')}` : action.kind,
  )
const ending =
  (codes: Record<string, number>): NonNullable<WholeRunOptions['outcome']> =>
  (action: Action) => ({
    ...{ kind: 'exited', output: '' },
    exitCode: action.kind === 'command' ? (codes[action.argv[0] ?? ''] ?? 0) : 0,
  })

const programs = [
  { package: A, program: 'Install', commandLine: 'one /q %Site%' },
  { package: B, program: 'Update', commandLine: 'two' },
]
const packages = (more: object = {}): SequenceNode =>
  ({ type: 'installPackage', name: 'Packages', programs, ...more }) as SequenceNode

test('install package: each program in the folder of its package, one after the other', async () => {
  const run = await wholeRun(sequenceOf([packages()], { variables: [{ variable: 'Site', value: 'a b' }] }))
  assert.deepEqual(ran(run), ['/run/ABC00001: one /q a b', '/run/ABC00002: two'])
  assert.equal(run.result.kind, 'success')
})

test('install package from a list: up to the first gap; none is nothing, a stranger is refused', async () => {
  const listed = (variables: Record<string, string>): ReturnType<typeof wholeRun> =>
    wholeRun(
      sequenceOf([packages({ listVariable: 'Apps' })], {
        variables: Object.entries(variables).map(([variable, value]) => ({ variable, value })),
      }),
    )
  assert.deepEqual(ran(await listed({ Apps001: 'ABC00002:Update', Apps003: 'ABC00001:Install' })), [
    '/run/ABC00002: two',
  ])
  assert.deepEqual(ran(await listed({})), [])
  const stranger = await listed({ Apps001: 'abc00002:Update' })
  assert.ok(stranger.result.kind === 'failure')
  assert.equal(stranger.result.problem.code, 'CANDIDATE_NOT_DECLARED')
})

test('install package: a failure ends the step, or is passed over; a restart comes between two programs', async () => {
  const failing = await wholeRun(sequenceOf([packages()]), { outcome: ending({ one: 7 }) })
  assert.equal(failing.result.kind, 'failure')
  assert.equal(failing.host.executed.length, 1)
  const going = await wholeRun(sequenceOf([packages({ continueOnInstallError: true })]), {
    outcome: ending({ one: 7 }),
  })
  assert.equal(going.result.kind, 'success')
  assert.equal(going.host.executed.length, 2)
  const restarting = await wholeRun(sequenceOf([packages()]), { outcome: ending({ one: 3010 }) })
  assert.deepEqual([restarting.result.kind, restarting.restarts, restarting.host.executed.length], ['success', 1, 2])
})

const applications = (more: object = {}): SequenceNode =>
  ({
    ...{ type: 'installApplication', name: 'Applications' },
    applications: [
      { name: 'There', install: 'never', detect: { software: 'there', operator: 'anyVersion' } },
      { name: 'Editor', package: A, install: 'editor /q', detect: { variable: 'HasEditor', operator: 'exists' } },
      {
        ...{ name: 'Foreign', install: 'never', detect: { variable: 'Nothing', operator: 'exists' } },
        requires: { make: 'Other*', model: '*' },
      },
      { name: 'Tool', install: 'tool', detect: { variable: 'HasTool', operator: 'exists' } },
    ],
    ...more,
  }) as SequenceNode
const installing: NonNullable<WholeRunOptions['outcome']> = (action) => {
  const name = action.kind === 'command' ? action.argv[0] : ''
  const changes = [{ name: name === 'editor' ? 'HasEditor' : 'HasTool', value: '1', hidden: false }]
  return { kind: 'exited', exitCode: 0, output: '', changes }
}
const software = { there: ['1'] }

test('install application: what is there is left, what does not fit is passed over, what was installed is found', async () => {
  const run = await wholeRun(sequenceOf([applications()]), { outcome: installing, software })
  assert.deepEqual(ran(run), ['/run/ABC00001: editor /q', '-: tool'])
  assert.deepEqual([run.result.kind, variableOf(run.state, '_TSAppInstallStatus')], ['success', 'Warning'])
})

test('install application: not found afterwards is a failure; with continue, the next one follows', async () => {
  const failing = await wholeRun(sequenceOf([applications()]), { software })
  assert.ok(failing.result.kind === 'failure')
  assert.match(failing.result.problem.detail, /Editor was installed, but is not found/)
  const going = await wholeRun(sequenceOf([applications({ continueOnInstallError: true })]), { software })
  assert.deepEqual(ran(going), ['/run/ABC00001: editor /q', '-: tool'])
  assert.equal(variableOf(going.state, '_TSAppInstallStatus'), 'Error')
})

test('install application: a list names them; warnings may count as errors', async () => {
  const listed = await wholeRun(
    sequenceOf([applications({ listVariable: 'Apps' })], { variables: [{ variable: 'Apps01', value: 'Tool' }] }),
    { outcome: installing, software },
  )
  assert.deepEqual(ran(listed), ['-: tool'])
  const strict = await wholeRun(
    sequenceOf([applications()], { variables: [{ variable: 'TSErrorOnWarning', value: 'TRUE' }] }),
    { outcome: installing, software },
  )
  assert.equal(strict.result.kind, 'failure')
})

test('parts survive a crash at every point: each is installed once', async () => {
  for (const step of [packages(), applications()]) {
    const whole = await wholeRun(sequenceOf([step]), { outcome: installing, software })
    for (let at = 1; at <= whole.host.points; at++)
      for (const when of ['before', 'after'] as const) {
        const crashes = [{ at, when, kind: 'agent' as const }]
        const run = await wholeRun(sequenceOf([step]), { outcome: installing, software, crashes })
        assert.deepEqual(ran(run), ran(whole), `${when} point ${at}`)
        assert.deepEqual(run.result, whole.result)
      }
  }
})
