/** The debugger: where a run stands still, what orders do to it, and that each is obeyed once whatever crashes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DebugOrder, DebugState, type SequenceNode } from '@sluice/protocol'
import type { ActionOutcome } from '../host.ts'
import type { AdvanceOptions } from '../run/live-run.ts'
import { type Advance, advance } from '../run/run.ts'
import { Crash, firstState, ManualHost, type ManualHostOptions, sequenceOf, variableOf } from '../testing/index.ts'
import { debugState, obey } from './debug.ts'

const command = (name: string, more: object = {}): SequenceNode =>
  ({ type: 'runCommandLine', name, commandLine: name, ...more }) as SequenceNode
const exited = (exitCode: number): ActionOutcome => ({ kind: 'exited', exitCode, output: '' })

/** A run, and somebody who debugs it: orders are there from the start and numbered from 1. */
async function debugged(nodes: SequenceNode[], orders: DebugOrder[], options: ManualHostOptions & Given = {}) {
  const host = new ManualHost(options)
  const sequence = sequenceOf(nodes, options.variables === undefined ? {} : { variables: options.variables })
  const first = await firstState(sequence, host)
  host.state = first.state
  const { table } = first
  const plain: Omit<AdvanceOptions, 'state'> = { table, host, stop: new AbortController().signal, mayDebug: true }
  const stood: string[] = []
  /** Who debugs looks first: what needs a run that stands still is said to one. */
  const next = () => {
    const { mode, order = 0 } = host.state?.debug ?? {}
    const [at, before] = [orders[order], orders[order - 1]]
    if (options.late === true && host.state?.debug === undefined) return undefined
    return before?.kind === 'run' && mode === 'running' ? undefined : at
  }
  const go = async (): Promise<Advance> => {
    for (let calls = 0; calls < 500; calls++) {
      const state = host.state
      assert.ok(state)
      try {
        const end = await advance({ ...plain, state, debugWanted: () => next() !== undefined })
        if (end.kind === 'restart') host.reboot()
        else if (end.kind !== 'debug') return end
        else {
          if (end.state.debug?.mode === 'waiting') stood.push(`${end.state.debug.why} ${end.state.pointer}`)
          const order = next()
          if (order === undefined) return end
          const n = (end.state.debug?.order ?? 0) + 1
          const obeyed = obey(table, end.state, { n, order, at: host.now() })
          await host.commit(obeyed.state, obeyed.entries)
        }
      } catch (error) {
        if (!(error instanceof Crash)) throw error
      }
    }
    throw new Error('the run does not end')
  }
  const end = await go()
  const ran = host.executed.map((action) => (action.kind === 'command' ? action.argv.join(' ') : action.kind))
  return { end, host, table, ran, stood, shown: DebugState.parse(debugState(table, end.state)) }
}
interface Given {
  /** Nobody says anything before the run stands still by itself. */
  late?: true
  variables?: { variable: string; value: string }[]
}

const abc = [command('a'), command('b'), command('c')]

test('attach, step, run: the run stands still between two steps', async () => {
  const still = await debugged(abc, [{ kind: 'attach' }, { kind: 'step' }])
  assert.deepEqual([still.end.kind, still.ran, still.shown.why, still.shown.pointer], ['debug', ['a'], 'stepped', 1])
  const through = await debugged(abc, [{ kind: 'attach' }, { kind: 'step' }, { kind: 'run' }])
  assert.deepEqual([through.end.kind, through.ran], ['finished', ['a', 'b', 'c']])
})

test('TSDebugMode: a run begins in the debugger; where it may not be debugged the variable is any other', async () => {
  const variables = [{ variable: 'TSDebugMode', value: 'TRUE' }]
  const still = await debugged(abc, [], { variables })
  assert.deepEqual([still.end.kind, still.ran, still.shown.why], ['debug', [], 'started'])
  const host = new ManualHost()
  const { state, table } = await firstState(sequenceOf(abc, { variables }), host)
  assert.equal((await advance({ table, state, host, stop: new AbortController().signal })).kind, 'finished')
})

test('breakpoints stop a run once each, over restarts of the machine', async () => {
  const nodes = [command('a'), { type: 'restartComputer', name: 'again' } as SequenceNode, command('b'), command('c')]
  const run = await debugged(nodes, [
    { kind: 'setBreak', instruction: 2, on: true },
    { kind: 'setBreak', instruction: 3, on: true },
    { kind: 'setBreak', instruction: 3, on: false },
    { kind: 'step' },
  ])
  // The fourth order comes too early: the run does not stand still yet.
  assert.deepEqual([run.end.kind, run.stood, run.ran], ['debug', ['breakpoint 2'], ['a']])
  assert.equal(run.end.kind === 'debug' && run.end.state.restarts, 1)
  assert.ok(run.host.journal.some((entry) => entry.kind === 'debugOrder' && entry.refused?.code === 'DEBUG_REFUSED'))
})

test('set current: forwards and back, into a group, never into what always runs', async () => {
  const group = { type: 'group', name: 'G', steps: [command('in')] } as SequenceNode
  const sequence = [command('a'), group, command('z')]
  const run = await debugged(sequence, [
    { kind: 'attach' },
    { kind: 'setCurrent', instruction: 2 },
    { kind: 'step' },
    { kind: 'setCurrent', instruction: 0 },
    { kind: 'setCurrent', instruction: 3 },
    { kind: 'setCurrent', instruction: 99 },
    { kind: 'step' },
  ])
  assert.deepEqual(run.ran, ['in', 'a'])
  const refused = run.host.journal.flatMap((one) => (one.kind === 'debugOrder' && one.refused ? [one.text] : []))
  assert.deepEqual(refused, ['set current 3', 'set current 99'])
})

test('a step that fails in the debugger stops there: it can be run again, or its failure passes on', async () => {
  const outcome = (_: unknown, execution: number) => exited(execution === 1 ? 1 : 0)
  const again = await debugged([command('a'), command('b')], [{ kind: 'attach' }, { kind: 'run' }, { kind: 'step' }], {
    outcome,
  })
  assert.deepEqual(
    [again.stood.slice(0, 3), again.ran],
    [
      ['attached 0', 'failed 0', 'stepped 1'],
      ['a', 'a'],
    ],
  )
  const gone = await debugged([command('a')], [{ kind: 'attach' }, { kind: 'run' }, { kind: 'quit' }], { outcome })
  assert.equal(gone.end.kind === 'finished' && gone.end.result.kind, 'failure')
  assert.deepEqual(gone.ran, ['a'], 'quitting runs nothing again')
})

test('TSDebugOnError: a run without a debugger stops where a step fails', async () => {
  const variables = [{ variable: 'TSDebugOnError', value: 'true' }]
  const run = await debugged(abc, [], { variables, outcome: (_, execution) => exited(execution === 2 ? 5 : 0) })
  assert.deepEqual([run.end.kind, run.shown.why, run.shown.pointer], ['debug', 'failed', 1])
  assert.equal(run.shown.problem?.code, 'STEP_FAILED')
})

/** A condition that no device can decide. */
const undecidable = { wmi: 'SELECT * FROM Win32_Battery', namespace: 'root\\cimv2' }
const notDecided = { type: 'group', name: 'G', condition: undecidable, steps: [command('in')] } as SequenceNode
const onError = [{ variable: 'TSDebugOnError', value: 'TRUE' }]

test('a group whose condition cannot be decided: quitting passes its failure on, to the groups around it', async () => {
  const alone = await debugged([notDecided, command('z')], [{ kind: 'attach' }, { kind: 'run' }, { kind: 'quit' }])
  assert.deepEqual([alone.stood.slice(0, 2), alone.ran], [['attached 0', 'failed 0'], []])
  assert.ok(alone.end.kind === 'finished' && alone.end.result.kind === 'failure')
  assert.deepEqual([alone.end.result.step, alone.end.result.problem.code], ['G', 'PLATFORM_NOT_SUPPORTED'])

  const outer = { type: 'group', name: 'O', continueOnError: true, steps: [notDecided, command('left out')] }
  const inside = await debugged(
    [outer as SequenceNode, command('z')],
    [{ kind: 'attach' }, { kind: 'run' }, { kind: 'quit' }],
  )
  assert.ok(inside.end.kind === 'finished' && inside.end.result.kind === 'success')
  assert.deepEqual(inside.ran, ['z'])
  const left = inside.host.journal.flatMap((one) => (one.kind === 'groupLeft' ? [`${one.name} ${one.failed}`] : []))
  assert.deepEqual(left, ['G true', 'O true'])
})

test('TSDebugOnError at such a group or step: it stops, can be tried again, passed by, or left to fail', async () => {
  for (const node of [notDecided, command('s', { condition: undecidable })]) {
    const still = await debugged([node, command('z')], [], { variables: onError, late: true })
    assert.deepEqual(
      [still.end.kind, still.stood, still.shown.problem?.code],
      ['debug', ['failed 0'], 'PLATFORM_NOT_SUPPORTED'],
    )
    const again = await debugged([node, command('z')], [{ kind: 'step' }], { variables: onError, late: true })
    assert.deepEqual([again.stood, again.ran], [['failed 0', 'failed 0'], []])
    const gone = await debugged([node, command('z')], [{ kind: 'quit' }], { variables: onError, late: true })
    assert.deepEqual([gone.stood, gone.ran, gone.end.kind], [['failed 0'], [], 'finished'])
  }
  const by = await debugged([notDecided, command('z')], [{ kind: 'setCurrent', instruction: 3 }, { kind: 'run' }], {
    variables: onError,
    late: true,
  })
  assert.ok(by.end.kind === 'finished' && by.end.result.kind === 'success')
  assert.deepEqual(by.ran, ['z'])
  const goesOn = { ...notDecided, continueOnError: true } as SequenceNode
  const passed = await debugged([goesOn, command('z')], [], { variables: onError, late: true })
  assert.deepEqual([passed.stood, passed.ran], [[], ['z']], 'what goes on after an error is no error to stop at')
})

test('quitting at such a group ends the same way, whatever write the agent crashes at', async () => {
  const nodes = [{ type: 'group', name: 'O', continueOnError: true, steps: [notDecided] } as SequenceNode, command('z')]
  const plain = await debugged(nodes, [{ kind: 'quit' }], { variables: onError, late: true })
  assert.deepEqual([plain.stood, plain.ran], [['failed 1'], ['z']])
  for (let at = 1; at <= plain.host.points; at++)
    for (const when of ['before', 'after'] as const) {
      const crashes = [{ at, when, kind: 'agent' as const }]
      const run = await debugged(nodes, [{ kind: 'quit' }], { variables: onError, late: true, crashes })
      assert.deepEqual(
        [run.stood.at(-1), run.ran, run.end.kind],
        ['failed 1', ['z'], 'finished'],
        `${when} point ${at}`,
      )
    }
})

test('variables: shown and set; hidden ones stay masked, read-only ones are refused', async () => {
  const hide = { type: 'setVariable', name: 'hide', variable: 'Pin', value: 'p1n-secret', hidden: true } as SequenceNode
  const copy = { type: 'setVariable', name: 'copy', variable: 'Told', value: 'x %Pin% y' } as SequenceNode
  const run = await debugged(
    [hide, copy, command('say %Colour%')],
    [
      ...[{ kind: 'attach' } as const, { kind: 'step' } as const, { kind: 'step' } as const],
      { kind: 'setVariable', name: 'Colour', value: 'blue' },
      { kind: 'setVariable', name: '_SMSTSPackageID', value: 'ABC00001' },
      { kind: 'setVariable', name: 'Pin', value: 'mine' },
      { kind: 'step' },
    ],
  )
  assert.deepEqual(run.ran, ['say blue'])
  const { journal } = run.host
  const refused = journal.flatMap((one) => (one.kind === 'debugOrder' && one.refused ? [one.refused.code] : []))
  assert.deepEqual(refused, ['VARIABLE_REFUSED', 'DEBUG_REFUSED'])
  assert.doesNotMatch(JSON.stringify(run.shown), /p1n-secret/)
  assert.equal(variableOf(run.end.state, 'Pin'), 'p1n-secret')
})

test('standing still takes none of the maximum run time', async () => {
  const run = await debugged(abc, [{ kind: 'attach' }])
  const state = run.end.state
  for (let i = 0; i < 1_000; i++) run.host.now()
  const stop = new AbortController().signal
  const obeyed = obey(run.table, state, { n: 2, order: { kind: 'run' }, at: 1 })
  const end = await advance({ table: run.table, state: obeyed.state, host: run.host, stop })
  assert.ok((end.state.activeMs ?? 0) < 500)
})

test('a crash at any write: every order is obeyed once, no step more or less often', async () => {
  const orders: DebugOrder[] = [
    { kind: 'attach' },
    { kind: 'setVariable', name: 'X', value: '1' },
    { kind: 'setBreak', instruction: 2, on: true },
    { kind: 'run' },
    { kind: 'setCurrent', instruction: 1 },
    { kind: 'clearBreaks' },
    { kind: 'step' },
    { kind: 'quit' },
  ]
  const whole = await debugged(abc, orders)
  assert.deepEqual([whole.end.kind, whole.ran], ['finished', ['a', 'b', 'b', 'c']])
  for (let at = 1; at <= whole.host.points; at++)
    for (const when of ['before', 'after'] as const) {
      const run = await debugged(abc, orders, { crashes: [{ at, when, kind: 'agent' }] })
      assert.deepEqual([run.end.kind, run.ran], [whole.end.kind, whole.ran], `${when} point ${at}`)
    }
})

test('what is shown is bounded, whatever the run holds', async () => {
  const host = new ManualHost()
  const many = Array.from({ length: 900 }, (_, i) => ({ variable: `V${i}`, value: 'x'.repeat(4_000) }))
  const steps = Array.from({ length: 500 }, (_, i) => command(`${i}`))
  const { state, table } = await firstState(sequenceOf(steps, { variables: many }), host)
  const shown = DebugState.parse(debugState(table, { ...state, pointer: 250 }))
  assert.ok(JSON.stringify(shown).length < 128 * 1024)
  assert.ok(shown.variablesLeftOut > 800)
})
