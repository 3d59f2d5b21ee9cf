import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PackageId, problem, type SequenceNode, type Step } from '@sluice/protocol'
import type { Action, ActionOutcome } from '../host.ts'
import { begun, firstState, ManualHost, sequenceOf, someProblem, variableOf, wholeRun } from '../testing/index.ts'
import { advance } from './run.ts'

const id = (text: string): PackageId => PackageId.parse(text)
const exit = (exitCode: number, output = ''): ActionOutcome => ({ kind: 'exited', exitCode, output })
/** A command whose name is what it runs. */
const command = (name: string, more: Partial<Step> = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const group = (name: string, steps: SequenceNode[], more: Partial<SequenceNode> = {}): SequenceNode =>
  ({ type: 'group', name, steps, ...more }) as SequenceNode
const programOf = (action: Action): string => (action.kind === 'command' ? (action.argv[0] ?? '') : '')
/** Every command fails whose name is listed. */
const failing =
  (...names: string[]) =>
  (action: Action): ActionOutcome =>
    exit(names.includes(programOf(action)) ? 1 : 0)

test('worked example: group 1 (continue) {1 (continue), 2, 3}; group 2 {4, 5, 6}', async () => {
  const sequence = sequenceOf([
    group('Group 1', [command('1', { continueOnError: true }), command('2'), command('3')], { continueOnError: true }),
    group('Group 2', [command('4'), command('5'), command('6')]),
  ])
  const { result, host } = await wholeRun(sequence, { outcome: failing('1', '2', '4') })
  assert.deepEqual(begun(host.journal), ['1', '2', '4'])
  assert.ok(result.kind === 'failure')
  assert.equal(result.step, '4')
  assert.equal(result.problem.code, 'STEP_FAILED')
  const skipped = host.journal.flatMap((entry) => (entry.kind === 'skipped' ? [`${entry.name} ${entry.why}`] : []))
  assert.deepEqual(skipped, ['3 groupFailed', '5 groupFailed', '6 groupFailed'])
  const outcomes = host.journal.flatMap((entry) => (entry.kind === 'stepFinished' ? [entry.outcome] : []))
  assert.deepEqual(outcomes, ['failedContinued', 'failed', 'failed'])
})

test('a failure goes up to the first ancestor with continue on error, and past everything in it', async () => {
  const sequence = sequenceOf([
    group('Outer', [group('Middle', [group('Inner', [command('1'), command('2')]), command('3')]), command('4')], {
      continueOnError: true,
    }),
    command('5'),
  ])
  const { result, host } = await wholeRun(sequence, { outcome: failing('1') })
  assert.deepEqual(result, { kind: 'success' })
  assert.deepEqual(begun(host.journal), ['1', '5'])
  const left = host.journal.flatMap((entry) => (entry.kind === 'groupLeft' ? [`${entry.name} ${entry.failed}`] : []))
  assert.deepEqual(left, ['Inner true', 'Middle true', 'Outer true'])
})

test('a group whose last step fails with continue on error completes; its next sibling runs', async () => {
  const sequence = sequenceOf([group('G', [command('1'), command('2', { continueOnError: true })]), command('3')])
  const { result, host } = await wholeRun(sequence, { outcome: failing('2') })
  assert.deepEqual([result.kind, begun(host.journal)], ['success', ['1', '2', '3']])
})

test('a group for failures: its condition sees the last action that ran, not a skipped one', async () => {
  const sequence = sequenceOf([
    group('Main', [command('1'), command('2')], { continueOnError: true }),
    command('never', { condition: { variable: 'Nothing', operator: 'exists' } }),
    group('On failure', [command('collect')], {
      condition: { variable: '_SMSTSLastActionSucceeded', operator: 'equals', value: 'false' },
    }),
  ])
  const bad = await wholeRun(sequence, { outcome: failing('1') })
  assert.deepEqual(begun(bad.host.journal), ['1', 'collect'])
  const good = await wholeRun(sequence)
  assert.deepEqual(begun(good.host.journal), ['1', '2'])
  assert.equal(variableOf(good.state, '_SMSTSLastActionName'), '2')
})

test('disabling a group disables everything in it; a condition is decided once, before entry', async () => {
  const sequence = sequenceOf([
    group('Off', [command('1'), group('In', [command('2')])], { disabled: true }),
    group('Once', [{ type: 'setVariable', name: 'unset', variable: 'A', value: '' }, command('3')], {
      condition: { variable: 'A', operator: 'equals', value: '1' },
    }),
  ])
  const { host, table } = await wholeRun(sequence, { inputs: { A: '1' } })
  assert.deepEqual(begun(host.journal), ['unset', '3'])
  assert.equal(table.stepCount, 4)
  assert.deepEqual(
    host.events.flatMap((event) => (event.kind === 'stepStarted' ? [`${event.step} of ${event.stepCount}`] : [])),
    ['3 of 4', '4 of 4'],
  )
  const decisions = host.journal.flatMap((entry) => (entry.kind === 'decision' ? [entry.trace] : []))
  assert.deepEqual(decisions, ['A is "1", must equal "1": yes'])
})

test('values reach a command as single arguments, never as shell text or more words', async () => {
  const sequence = sequenceOf([command('x', { commandLine: 'tool --name=%Name% "%Name%" %Other%' })])
  const { host } = await wholeRun(sequence, { inputs: { Name: 'a b"; rm -rf /' } })
  const [action] = host.executed
  assert.ok(action?.kind === 'command')
  assert.deepEqual(action.argv, ['tool', '--name=a b"; rm -rf /', 'a b"; rm -rf /', '%Other%'])
  assert.equal(action.hidden, false)
})

test('a command with a package starts in its folder; the last 1,000 characters of output are kept', async () => {
  const sequence = sequenceOf([
    command('x', { package: id('ABC00001'), outputTo: 'Out', timeoutMinutes: 0.5, commandLine: 'sh run.sh' }),
    command('y', { startIn: '%_SMSTSABC00001%/sub' }),
  ])
  const { host, state } = await wholeRun(sequence, { outcome: () => exit(0, `${'a'.repeat(2000)}end\n`) })
  const [first, second] = host.executed
  assert.ok(first?.kind === 'command' && second?.kind === 'command')
  assert.deepEqual([first.workingDirectory, first.timeoutMs], ['/run/ABC00001', 30_000])
  assert.deepEqual([second.workingDirectory, second.timeoutMs], ['/run/ABC00001/sub', undefined])
  assert.equal(variableOf(state, 'out'), `${'a'.repeat(997)}end`)
  assert.equal(variableOf(state, '_SMSTSABC00001'), '/run/ABC00001')
})

test('success codes: 0 and 3010 unless others are given; 3010 restarts, then the next step runs', async () => {
  const codes: Record<string, number> = { soft: 3010, odd: 7 }
  const outcome = (action: Action): ActionOutcome => exit(codes[programOf(action)] ?? 0)
  const sequence = sequenceOf([command('soft'), command('odd', { successCodes: [0, 7] }), command('last')])
  const run = await wholeRun(sequence, { outcome })
  assert.deepEqual([run.result.kind, run.restarts, run.state.restarts], ['success', 1, 1])
  assert.deepEqual(begun(run.host.journal), ['soft', 'odd', 'last'])

  const strict = await wholeRun(sequenceOf([command('soft', { successCodes: [0] })]), { outcome })
  assert.equal(strict.result.kind, 'failure')
  assert.equal(variableOf(strict.state, '_SMSTSLastActionRetCode'), '3010')
})

test('restart: pending is durable before the caller hears of it, and asked for again in the same boot', async () => {
  const sequence = sequenceOf([
    { type: 'restartComputer', name: 'Restart', message: 'Back soon, %Who%.', timeoutSeconds: 5 },
    command('after'),
  ])
  const host = new ManualHost()
  const { state, table } = await firstState(sequence, host, { inputs: { Who: 'Ada' } })
  const stop = new AbortController().signal
  const first = await advance({ table, state, host, stop })
  assert.ok(first.kind === 'restart')
  assert.deepEqual([first.message, first.timeoutSeconds], ['Back soon, Ada.', 5])
  assert.equal(host.state, first.state)
  assert.equal(first.state.phase.kind, 'rebootPending')

  const again = await advance({ table, state: first.state, host, stop })
  assert.equal(again.kind, 'restart')
  assert.deepEqual(begun(host.journal), ['Restart'])

  host.reboot()
  const end = await advance({ table, state: again.state, host, stop })
  assert.ok(end.kind === 'finished')
  assert.deepEqual([end.result.kind, begun(host.journal)], ['success', ['Restart', 'after']])
})

test('a machine that never restarts does not ask for ever', async () => {
  const host = new ManualHost()
  const first = await firstState(sequenceOf([{ type: 'restartComputer', name: 'Restart' }]), host)
  let { state } = first
  const kinds: string[] = []
  for (let count = 0; count < 20; count++) {
    const end = await advance({ table: first.table, state, host, stop: new AbortController().signal })
    kinds.push(end.kind)
    state = end.state
  }
  assert.deepEqual([kinds[0], kinds.at(-1)], ['restart', 'finished'])
  assert.ok(kinds.filter((kind) => kind === 'restart').length <= 11)
  assert.ok(state.phase.kind === 'finished' && state.phase.result.kind === 'failure')
  assert.equal(state.phase.result.problem.code, 'RUN_STUCK')
})

test('download package content: numbered variables in list order, chosen packages only from the candidates', async () => {
  const download = (more: Partial<Step> = {}): SequenceNode =>
    ({
      type: 'downloadPackageContent',
      name: 'Get',
      packages: [id('ABC00001'), { chosenBy: '%Pick%', candidates: [id('ABC00002'), id('ABC00003')] }, id('ABC00004')],
      saveAs: 'My',
      ...more,
    }) as SequenceNode
  const good = await wholeRun(sequenceOf([download()]), { inputs: { Pick: ' ABC00003 ' } })
  assert.deepEqual(good.host.acquired, ['ABC00001', 'ABC00003', 'ABC00004'])
  assert.deepEqual(
    ['My01', 'My02', 'My03'].map((name) => variableOf(good.state, name)),
    ['/run/ABC00001', '/run/ABC00003', '/run/ABC00004'],
  )

  const other = await wholeRun(sequenceOf([download()]), { inputs: { Pick: 'ABC00009' } })
  assert.ok(other.result.kind === 'failure')
  assert.equal(other.result.problem.code, 'CANDIDATE_NOT_DECLARED')
  assert.match(other.result.problem.detail, /came out as "ABC00009"; candidates: ABC00002, ABC00003/)
  assert.deepEqual(other.host.acquired, ['ABC00001'])

  const contentProblem = (packageId: PackageId) => (packageId === 'ABC00003' ? someProblem : undefined)
  const stopped = await wholeRun(sequenceOf([download()]), { inputs: { Pick: 'ABC00003' }, contentProblem })
  assert.ok(stopped.result.kind === 'failure')
  assert.deepEqual(stopped.result.problem, someProblem)
  assert.equal(variableOf(stopped.state, '_SMSTSLastActionRetCode'), String(0x80040102))

  const went = await wholeRun(sequenceOf([download({ continueOnPackageError: true })]), {
    inputs: { Pick: 'ABC00003', My02: 'old' },
    contentProblem,
  })
  assert.deepEqual([went.result.kind, went.host.acquired], ['success', ['ABC00001', 'ABC00004']])
  assert.equal(variableOf(went.state, 'My02'), undefined)
  assert.equal(variableOf(went.state, 'My03'), '/run/ABC00004')
  assert.ok(went.host.journal.some((entry) => entry.kind === 'contentFailed' && entry.packageId === 'ABC00003'))
})

test('content retries come from the deployment, and from variables set on the way', async () => {
  const asked: unknown[] = []
  class Host extends ManualHost {
    override acquire(...parameters: Parameters<ManualHost['acquire']>) {
      asked.push(parameters[1])
      return super.acquire(...parameters)
    }
  }
  const get: SequenceNode = { type: 'downloadPackageContent', name: 'Get', packages: [id('ABC00001')] }
  const set = (variable: string, value: string): SequenceNode => ({ type: 'setVariable', name: 'Set', variable, value })
  const sequence = sequenceOf([
    get,
    set('SMSTSDownloadRetryCount', '9'),
    set('SMSTSDownloadRetryDelay', '60'),
    get,
    set('SMSTSDownloadRetryDelay', 'soon'),
    get,
  ])
  const host = new Host()
  const { state, table } = await firstState(sequence, host, {
    settings: { downloadRetryCount: 4, downloadRetryDelayMs: 500 },
  })
  await advance({ table, state, host, stop: new AbortController().signal })
  assert.deepEqual(asked, [
    { count: 4, delayMs: 500 },
    { count: 9, delayMs: 60_000 },
    { count: 9, delayMs: 15_000 },
  ])
})

test('upgrade: source, drivers and the return code; a scan that found nothing is a success', async () => {
  const upgrade = (more: Partial<Step>): SequenceNode =>
    ({ type: 'upgradeOperatingSystem', name: 'Upgrade', ...more }) as SequenceNode
  const files = { '/run/ABC00002': { kind: 'folder', modifiedMs: 0, version: undefined } } as const
  const sequence = sequenceOf([
    { type: 'downloadPackageContent', name: 'Drivers', packages: [id('ABC00002')], saveAs: 'Drivers' },
    upgrade({ package: id('ABC00001'), driverPath: '%Drivers01%', timeoutMinutes: 60 }),
  ])
  const good = await wholeRun(sequence, { files })
  assert.deepEqual(good.host.executed, [
    {
      kind: 'upgradeOperatingSystem',
      sourcePath: '/run/ABC00001',
      driverPath: '/run/ABC00002',
      scanOnly: false,
      timeoutMs: 3_600_000,
    },
  ])
  assert.equal(variableOf(good.state, '_SMSTSOSUpgradeActionReturnCode'), '0')

  // 0xC1900208 as Windows gives it to a parent process.
  const bad = await wholeRun(sequence, { files, outcome: () => exit(-1047526904) })
  assert.equal(variableOf(bad.state, '_SMSTSOSUpgradeActionReturnCode'), '3247440392')
  assert.ok(bad.result.kind === 'failure')
  assert.match(bad.result.problem.detail, /0xC1900208/)

  const scan = sequenceOf([upgrade({ package: id('ABC00001'), scanOnly: true })])
  assert.equal((await wholeRun(scan, { outcome: () => exit(0xc1900210) })).result.kind, 'success')

  const nowhere = await wholeRun(sequenceOf([upgrade({ sourcePath: '%Upgrade01%' })]))
  assert.ok(nowhere.result.kind === 'failure')
  assert.equal(nowhere.result.problem.code, 'STEP_COULD_NOT_START')
  assert.deepEqual(nowhere.host.executed, [])
})

test('readiness: every check runs and is told, then it fails once with 4316', async () => {
  const sequence = sequenceOf([
    {
      type: 'checkReadiness',
      name: 'Ready?',
      minimumMemoryMB: 8192,
      minimumFreeDiskMB: 20480,
      architecture: 'x64',
      minimumOsVersion: '2',
      maximumOsVersion: '1.0',
    },
  ])
  const { result, state } = await wholeRun(sequence)
  assert.ok(result.kind === 'failure')
  assert.equal(result.problem.code, 'READINESS_FAILED')
  assert.equal(
    result.problem.detail,
    'memory: 4096 MB of 8192 MB (not met); free disk space: 51200 MB of 20480 MB (met); architecture: x64, needed x64 (met); OS version: 1, at least 2 (not met); OS version: 1, at most 1.0 (met).',
  )
  assert.equal(variableOf(state, '_SMSTSLastActionRetCode'), '4316')
  assert.deepEqual(
    ['_TS_CRMEMORY', '_TS_CRDISK', '_TS_CRSPEED', '_TS_CRMINOSVER'].map((name) => variableOf(state, name)),
    ['0', '1', undefined, '0'],
  )
})

test('hidden variables: masked in the journal, kept out of the log of commands, and what is made of them too', async () => {
  const sequence = sequenceOf([
    { type: 'setVariable', name: 'Pin', variable: 'Pin', value: '1234', hidden: true },
    { type: 'setVariable', name: 'Made', variable: 'Made', value: 'x%Pin%' },
    command('plain'),
    command('secret', { commandLine: 'tool %Made%', condition: { variable: 'Pin', operator: 'exists' } }),
  ])
  const { host } = await wholeRun(sequence)
  assert.doesNotMatch(JSON.stringify(host.journal), /1234/)
  assert.deepEqual(
    host.executed.map((action) => action.kind === 'command' && [action.argv, action.hidden]),
    [
      [['plain'], false],
      [['tool', 'x1234'], true],
    ],
  )
})

test('time-out and programs that cannot start are failures of their own', async () => {
  for (const [outcome, code, number] of [
    [{ kind: 'timedOut' }, 'STEP_TIMED_OUT', '1460'],
    [{ kind: 'couldNotStart', detail: 'no such file' }, 'STEP_COULD_NOT_START', String(0x80070002)],
  ] as const) {
    const { result, state } = await wholeRun(sequenceOf([command('x')]), { outcome: () => outcome })
    assert.ok(result.kind === 'failure')
    assert.equal(result.problem.code, code)
    assert.equal(variableOf(state, '_SMSTSLastActionRetCode'), number)
  }
})

test('stopping the agent leaves the run as it is; cancelling ends it', async () => {
  const sequence = sequenceOf([
    command('1'),
    { type: 'downloadPackageContent', name: 'Get', packages: [id('ABC00001')] },
  ])
  for (const which of ['stop', 'cancel'] as const) {
    const control = new AbortController()
    /** Aborts in the middle of a download. */
    class Host extends ManualHost {
      override async acquire(...parameters: Parameters<ManualHost['acquire']>) {
        control.abort()
        return super.acquire(...parameters)
      }
    }
    const host = new Host()
    const { state, table } = await firstState(sequence, host)
    const signals = { stop: new AbortController().signal, [which]: control.signal }
    const end = await advance({ table, state, host, ...signals })
    if (which === 'stop') {
      assert.equal(end.kind, 'stopped')
      assert.equal(host.state?.phase.kind, 'preparing')
      const rest = new ManualHost()
      const later = await advance({ table, state: end.state, host: rest, stop: new AbortController().signal })
      assert.ok(later.kind === 'finished')
      assert.deepEqual([later.result.kind, rest.executed.length], ['success', 0])
    } else {
      assert.ok(end.kind === 'finished')
      assert.deepEqual(end.result, { kind: 'cancelled' })
      const finished = host.journal.flatMap((entry) => (entry.kind === 'stepFinished' ? [entry.problem?.code] : []))
      assert.deepEqual(finished, [undefined, 'RUN_CANCELLED'])
    }
  }
})

test('a program that runs is waited for before a cancel takes effect', async () => {
  const control = new AbortController()
  const sequence = sequenceOf([command('1'), command('2')])
  const { result, host } = await wholeRun(sequence, {
    outcome: () => {
      control.abort()
      return exit(0)
    },
    advance: (options) => ({ ...options, cancel: control.signal }),
  })
  assert.deepEqual(result, { kind: 'cancelled' })
  const outcomes = host.journal.flatMap((entry) => (entry.kind === 'stepFinished' ? [entry.outcome] : []))
  assert.deepEqual([begun(host.journal), outcomes], [['1'], ['succeeded']])
})

test('a run of a newer engine is left alone', async () => {
  const host = new ManualHost()
  const { state, table } = await firstState(sequenceOf([command('1')]), host)
  await assert.rejects(
    advance({ table, state: { ...state, flags: [1, 999] }, host, stop: new AbortController().signal }),
    /DATA_TOO_NEW.*999/,
  )
  assert.equal(host.commits, 0)
})

test('at most three commits a step, also with 10,000 instructions', async () => {
  const kinds: [SequenceNode, number][] = [
    [{ type: 'setVariable', name: 'S', variable: 'A', value: '1' }, 1],
    [{ type: 'checkReadiness', name: 'R' }, 1],
    [{ type: 'downloadPackageContent', name: 'D', packages: [id('ABC00001'), id('ABC00002')] }, 2],
    [command('plain'), 2],
    [command('package', { package: id('ABC00001') }), 3],
    [{ type: 'restartComputer', name: 'Restart' }, 1],
  ]
  for (const [step, commits] of kinds) {
    const { host, restarts } = await wholeRun(sequenceOf([step]))
    // The end of the run and the arrival in another boot are commits of their own.
    assert.equal(host.commits - restarts - 1, commits, step.name)
  }
  const many = Array.from(
    { length: 10_000 },
    (_, index): SequenceNode =>
      index % 2 === 0
        ? command(`${index}`)
        : { type: 'setVariable', name: `${index}`, variable: `V${index % 900}`, value: 'x' },
  )
  const { host, result } = await wholeRun(sequenceOf(many))
  assert.equal(result.kind, 'success')
  assert.equal(host.commits, 5_000 * 2 + 5_000 + 1)
})

test('a problem of the host that is not expected passes through, and the run goes on from its last commit', async () => {
  const sequence = sequenceOf([command('1'), command('2')])
  class Host extends ManualHost {
    broken = true
    override async outcome(...parameters: Parameters<ManualHost['outcome']>) {
      if (this.broken) throw new Error('disk on fire')
      return super.outcome(...parameters)
    }
  }
  const host = new Host()
  const { state, table } = await firstState(sequence, host)
  const stop = new AbortController().signal
  await assert.rejects(advance({ table, state, host, stop }), /disk on fire/)
  host.broken = false
  assert.ok(host.state)
  const end = await advance({ table, state: host.state, host, stop })
  assert.ok(end.kind === 'finished')
  assert.deepEqual([end.result.kind, host.executed.length], ['success', 2])
  assert.equal(problem('RUN_STUCK', '').retry, 'never')
})
