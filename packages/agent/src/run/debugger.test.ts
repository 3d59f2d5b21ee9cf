/** The debugger on a real device: orders by policy, kills of the agent, and what a sequence must allow. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { flatten, type RunState } from '@sluice/engine'
import { type DebugState, type NumberedDebugOrder, RunId, Sequence } from '@sluice/protocol'
import { until } from '../testing/until.ts'
import { mayDebug, nextOrder, obeyOrder } from './debugger.ts'
import { type RunLine, startRunLine } from './testing/run-line.ts'

const runId = RunId.parse('run_0000000001')
const numbered = (n: number, order: NumberedDebugOrder['order'], of = runId): NumberedDebugOrder => ({
  runId: of,
  n,
  order,
})
const atRest: RunState = {
  ...{ v: 1, flags: [1, 2, 3], pointer: 0, openGroups: [], variables: {}, phase: { kind: 'ready' } },
  ...{ attempts: 0, transitions: 0, restarts: 0 },
}
const sequence = Sequence.parse({
  format: 'sluice-sequence/1',
  name: 'One',
  steps: [{ type: 'setVariable', name: 'a', variable: 'A', value: '1' }],
})

test('U1: in offline mode only a sequence that says so; a refused order is counted and changes nothing', () => {
  assert.equal(mayDebug(sequence, 'online'), true)
  assert.equal(mayDebug(sequence, 'offline'), false)
  assert.equal(mayDebug({ ...sequence, debug: true }, 'offline'), true)
  const order = numbered(1, { kind: 'attach' })
  const refused = obeyOrder(flatten(sequence), atRest, order, { allowed: false, at: 0 })
  assert.deepEqual([refused.state.debug?.mode, refused.state.debug?.order], ['detached', 1])
  assert.equal(refused.state.debug?.refused?.code, 'DEBUG_NOT_ALLOWED')
  const unknown = obeyOrder(flatten(sequence), atRest, numbered(1, { kind: 'fly' }), { allowed: true, at: 0 })
  assert.equal(unknown.state.debug?.refused?.code, 'DEBUG_REFUSED')
})

test('U2: orders of this run, by number, each once', () => {
  const orders = [
    numbered(3, { kind: 'run' }),
    numbered(2, { kind: 'step' }),
    numbered(1, {}, RunId.parse('run_0000000002')),
  ]
  assert.equal(nextOrder(orders, runId, atRest)?.n, 2)
  const counted: RunState = { ...atRest, debug: { mode: 'waiting', from: 0, breaks: [], order: 3 } }
  assert.equal(nextOrder(orders, runId, counted), undefined)
})

const last = (line: RunLine): DebugState | undefined => {
  const event = line.site.messages.findLast(({ event }) => event.kind === 'debugState')?.event
  return event?.kind === 'debugState' ? event.state : undefined
}

test('W7: a run waits for the debugger over a kill of the agent; its breakpoints and orders stay', async (t) => {
  const line = await startRunLine(
    t,
    {},
    (effect) => ['one', 'two', 'three'].map((name) => ({ type: 'runCommandLine', name, commandLine: effect(name) })),
    {},
    {},
    // The test site is in offline mode.
    { debug: true, variables: [{ variable: 'TSDebugMode', value: 'TRUE' }] },
  )
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
  const orders: NumberedDebugOrder[] = []
  const say = async (order: NumberedDebugOrder['order']) => {
    const event = line.site.messages.find(({ event }) => event.kind === 'runStarted')?.event
    assert.ok(event?.kind === 'runStarted')
    orders.push(numbered(orders.length + 1, order, event.runId))
    line.site.body.debugOrders = [...orders]
    await until(`order ${orders.length}`, () => last(line)?.order === orders.length)
  }
  let lives = 0
  const report = await line.runToEnd(async (agent) => {
    if (++lives === 1) {
      await until('the run stands still', () => last(line)?.why === 'started')
      await say({ kind: 'setBreak', instruction: 2, on: true })
      await say({ kind: 'step' })
      await until('the step', () => last(line)?.why === 'stepped')
      agent.kill('SIGKILL')
      return
    }
    const polls = line.site.polls()
    await until('the agent came back and waits', () => line.site.polls() > polls + 1)
    assert.deepEqual(line.happened(), ['one'], 'old orders are not obeyed again')
    await say({ kind: 'run' })
    await until('the breakpoint', () => last(line)?.why === 'breakpoint')
    assert.deepEqual(line.happened(), ['one', 'two'])
    await say({ kind: 'look', log: true })
    assert.match(last(line)?.log ?? '', /Waiting for the debugger at \(three\)/)
    line.site.body.debugOrders = [...orders, numbered(orders.length + 1, { kind: 'quit' }, orders[0]?.runId)]
  })
  assert.deepEqual([lives, report.result], [2, 'success'])
  assert.deepEqual(line.happened(), ['one', 'two', 'three'])
})
