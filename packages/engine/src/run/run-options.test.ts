/** What a step or a sequence may ask of the run: retries, probes, restarts by scripts, cleanup, a maximum time, pauses. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Sequence, SequenceNode } from '@sluice/protocol'
import type { ActionOutcome } from '../host.ts'
import {
  begun,
  type CrashPlan,
  firstState,
  ManualHost,
  sequenceOf,
  variableOf,
  type WholeRun,
  wholeRun,
} from '../testing/index.ts'
import { flags } from './flags.ts'
import { advance } from './run.ts'
import { MAX_REQUESTS } from './step-finish.ts'

const stop = new AbortController().signal

const command = (name: string, more: object = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const exited = (exitCode: number, set: Record<string, string> = {}): ActionOutcome => ({
  ...{ kind: 'exited', exitCode, output: '' },
  changes: Object.entries(set).map(([name, value]) => ({ name, value, hidden: false })),
})
const ran = ({ host }: WholeRun): string[] =>
  host.executed.map((action) => (action.kind === 'command' ? action.argv.join(' ') : action.kind))

test('retry: so often, with the pause, and the count in a variable; a success ends it', async () => {
  const step = command('flaky', { retry: { count: 3, delaySeconds: 20 } })
  const third = await wholeRun(sequenceOf([step, command('next')]), {
    outcome: (_, execution) => exited(execution < 3 ? 1 : 0),
  })
  assert.deepEqual(ran(third), ['flaky', 'flaky', 'flaky', 'next'])
  assert.deepEqual(third.host.waited, [20_000, 20_000])
  assert.deepEqual(begun(third.host.journal), ['flaky', 'next'], 'one step for people')
  const never = await wholeRun(sequenceOf([step]), { outcome: () => exited(1) })
  assert.deepEqual([ran(never).length, never.result.kind], [4, 'failure'])
  assert.equal(variableOf(never.state, '_SMSTSLastActionRetryCount'), '3')
})

test('retry: an outcome that nobody saw is not tried again; a crash in between changes nothing', async () => {
  const step = command('flaky', { retry: { count: 2 } })
  const lost = await wholeRun(sequenceOf([step]), { crashes: [{ at: 2, when: 'after', kind: 'machine' }] })
  assert.equal(ran(lost).length, 1)
  const outcome = (_: unknown, execution: number) => exited(execution < 3 ? 1 : 0)
  const whole = await wholeRun(sequenceOf([step]), { outcome })
  for (let at = 1; at <= whole.host.points; at++)
    for (const when of ['before', 'after'] as const) {
      const run = await wholeRun(sequenceOf([step]), { outcome, crashes: [{ at, when, kind: 'agent' }] })
      assert.deepEqual([ran(run), run.result], [ran(whole), whole.result], `${when} point ${at}`)
    }
})

test('probe: a step that was lost is asked how it is; done is done, not done is run again', async () => {
  const step = command('work', { class: 'probe', probe: 'look %_SMSTSModel%' })
  const crashes: CrashPlan[] = [{ at: 2, when: 'after', kind: 'machine' }]
  const probing = (code: number) =>
    wholeRun(sequenceOf([step]), {
      crashes,
      outcome: (action) => exited(action.kind === 'command' && action.argv[0] === 'look' ? code : 0),
    })
  assert.deepEqual(ran(await probing(0)), ['work', 'look Lodestar 14'])
  assert.deepEqual(ran(await probing(1)), ['work', 'look Lodestar 14', 'work'])
  const unclear = await probing(2)
  assert.deepEqual(ran(unclear), ['work', 'look Lodestar 14'])
  assert.ok(unclear.result.kind === 'failure')
  assert.equal(unclear.result.problem.code, 'STEP_OUTCOME_UNKNOWN')
})

test('probe: the machine lost at every point runs the work once more at most, and never beside a done one', async () => {
  const step = command('work', { class: 'probe', probe: 'look' })
  for (let at = 1; at <= 8; at++)
    for (const when of ['before', 'after'] as const) {
      let worked = 0
      const run = await wholeRun(sequenceOf([step, command('next')]), {
        crashes: [{ at, when, kind: 'machine' }],
        outcome: (action) => {
          const name = action.kind === 'command' ? action.argv[0] : ''
          if (name === 'work') worked++
          return exited(name === 'look' && worked === 0 ? 1 : 0)
        },
      })
      assert.ok(worked <= 1, `${when} point ${at}: ${worked}`)
      assert.ok(run.result.kind === 'success' || run.result.kind === 'failure')
    }
})

test('a script asks for a restart, for itself again, and for a shorter notice the next time', async () => {
  const restarting = await wholeRun(sequenceOf([command('a'), command('b')]), {
    outcome: (_, execution) =>
      execution === 1
        ? exited(0, { SMSTSRebootRequested: 'HD', SMSTSRebootDelay: '30', SMSTSRebootDelayNext: '5' })
        : exited(0),
  })
  assert.deepEqual([restarting.restarts, ran(restarting)], [1, ['a', 'b']])
  assert.equal(variableOf(restarting.state, 'SMSTSRebootRequested'), undefined)
  assert.equal(variableOf(restarting.state, 'SMSTSRebootDelay'), '5')
  const again = await wholeRun(sequenceOf([command('a'), command('b')]), {
    outcome: (_, execution) =>
      execution < 3 ? exited(0, { SMSTSRebootRequested: 'HD', SMSTSRetryRequested: 'true' }) : exited(0),
  })
  assert.deepEqual([again.restarts, ran(again)], [2, ['a', 'a', 'a', 'b']])
  const forever = await wholeRun(sequenceOf([command('a')]), {
    outcome: () => exited(0, { SMSTSRebootRequested: 'HD', SMSTSRetryRequested: 'true' }),
  })
  assert.deepEqual([forever.result.kind, forever.restarts], ['failure', MAX_REQUESTS])
  const windowsPE = await wholeRun(sequenceOf([command('a')]), {
    outcome: () => exited(0, { SMSTSRebootRequested: 'WinPE' }),
  })
  assert.equal(windowsPE.result.kind, 'failure')
})

test('a run that an older engine began takes these variables for any others', async () => {
  const host = new ManualHost({ outcome: () => exited(0, { SMSTSRebootRequested: 'HD' }) })
  const { state, table } = await firstState(sequenceOf([command('a')]), host)
  const end = await advance({ table, state: { ...state, flags: [flags.firstEngine] }, host, stop })
  assert.equal(end.kind, 'finished')
})

const cleaned = (steps: SequenceNode[], more: Partial<Sequence> = {}): Sequence =>
  sequenceOf(steps, { finally: [command('clean'), command('report')], ...more })

test('finally: behind success and failure, and the result stays what it was', async () => {
  const good = await wholeRun(cleaned([command('a')]))
  assert.deepEqual([good.result.kind, ran(good)], ['success', ['a', 'clean', 'report']])
  const outcome = (action: { kind: string; argv?: string[] }) => exited(action.argv?.[0]?.startsWith('bad') ? 1 : 0)
  const bad = await wholeRun(cleaned([command('bad'), command('never')]), { outcome })
  assert.ok(bad.result.kind === 'failure')
  assert.deepEqual([bad.result.step, ran(bad)], ['bad', ['bad', 'clean', 'report']])
  const skipped = bad.host.journal.flatMap((entry) => (entry.kind === 'skipped' ? [entry.name] : []))
  assert.deepEqual(skipped, ['never'])
})

test('finally: a failure in it fails a good run, and never mends a bad one', async () => {
  const steps = { finally: [command('bad clean'), command('never')] }
  const outcome = (action: { kind: string; argv?: string[] }) => exited(action.argv?.[0]?.startsWith('bad') ? 1 : 0)
  const good = await wholeRun(cleaned([command('a')], steps), { outcome })
  assert.deepEqual([good.result.kind, ran(good)], ['failure', ['a', 'bad clean']])
  const bad = await wholeRun(cleaned([command('bad')], steps), { outcome })
  assert.ok(bad.result.kind === 'failure')
  assert.equal(bad.result.step, 'bad')
})

test('finally: cancelling runs it, and nothing cancels it; a crash at every point changes nothing', async () => {
  const cancel = AbortSignal.abort()
  const cancelled = await wholeRun(cleaned([command('a')]), { advance: (options) => ({ ...options, cancel }) })
  assert.deepEqual([cancelled.result.kind, ran(cancelled)], ['cancelled', ['clean', 'report']])
  const whole = await wholeRun(cleaned([command('a')]))
  for (let at = 1; at <= whole.host.points; at++)
    for (const when of ['before', 'after'] as const) {
      const run = await wholeRun(cleaned([command('a')]), { crashes: [{ at, when, kind: 'agent' }] })
      assert.deepEqual([ran(run), run.result], [ran(whole), whole.result], `${when} point ${at}`)
    }
})

test('maximum run time: what follows is not begun, the cleanup is; a run that is through is no failure', async () => {
  const sequence = cleaned([command('a'), command('b')], { maximumRunTimeMinutes: 1 })
  const inTime = await wholeRun(sequence)
  assert.equal(inTime.result.kind, 'success')
  assert.ok((inTime.state.activeMs ?? 0) < 60_000)
  const host = new ManualHost()
  const { state, table } = await firstState(sequence, host)
  const end = await advance({ table, state: { ...state, activeMs: 60_000 }, host, stop })
  assert.ok(end.kind === 'finished' && end.result.kind === 'failure')
  assert.equal(end.result.problem.code, 'RUN_TIME_EXCEEDED')
  assert.deepEqual(
    host.executed.map((action) => (action.kind === 'command' ? action.argv[0] : '')),
    ['clean', 'report'],
  )
  const through = { ...state, activeMs: 60_000, pointer: 2 }
  const good = await advance({ table, state: through, host: new ManualHost(), stop })
  assert.ok(good.kind === 'finished')
  assert.equal(good.result.kind, 'success')
})

test('a pause begins between two steps, and the run goes on where it stands', async () => {
  const host = new ManualHost()
  const first = await firstState(sequenceOf([command('a'), command('b')]), host)
  const pauseWanted = () => host.executed.length === 1
  const paused = await advance({ table: first.table, state: first.state, host, stop, pauseWanted })
  assert.deepEqual([paused.kind, paused.state.pointer], ['paused', 1])
  const end = await advance({ table: first.table, state: paused.state, host, stop })
  assert.deepEqual([end.kind, host.executed.length], ['finished', 2])
})
