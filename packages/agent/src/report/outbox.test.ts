import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { problem, type StatusEvent } from '@sluice/protocol'
import { openState, type State } from '../state/state.ts'
import { startChild } from '../testing/child.ts'
import { seededRandom } from '../testing/seeded-random.ts'
import { temporaryFolder } from '../testing/temporary-folder.ts'
import { createOutbox, type Outbox } from './outbox.ts'

async function open(t: TestContext, folder: string): Promise<State> {
  const state = await openState(folder)
  assert.ok(state.ok)
  t.after(() => state.value.close())
  return state.value
}

const outboxOf = (state: State, bootId = 'boot-1', maxMessages = 10_000): Outbox =>
  createOutbox({ state, bootId, now: () => Date.UTC(2026, 10, 20), maxMessages })

const said = (detail: string): StatusEvent => ({ kind: 'agentProblem', problem: problem('INTERNAL', detail) })
const restarting = {
  kind: 'restarting',
  runId: 'run_0000000001',
  deploymentId: 'dep_0000000001',
  message: '',
} as StatusEvent
const stepStarted = { ...restarting, kind: 'stepStarted', instruction: 1, name: 's', stepType: 't' } as StatusEvent

const details = (outbox: Outbox) =>
  outbox
    .batch(100_000, Number.MAX_SAFE_INTEGER)
    .map(({ message: { event } }) => (event.kind === 'agentProblem' ? event.problem.detail : event.kind))

test('messages come out in the order they were said, numbered within the boot', async (t) => {
  const outbox = outboxOf(await open(t, temporaryFolder(t)))
  for (const text of ['one', 'two', 'three']) outbox.enqueue(said(text))
  const batch = outbox.batch(10, 1e6)
  assert.deepEqual(details(outbox), ['one', 'two', 'three'])
  assert.deepEqual(
    batch.map(({ message }) => message.seq),
    [1, 2, 3],
  )
  assert.match(batch[0]?.message.bootId ?? '', /^boot-1\.[0-9a-f]{8}$/)
  assert.equal(batch[0]?.message.at, '2026-11-20T00:00:00.000Z')
})

test('a batch is bounded by messages and by bytes, and holds at least one message', async (t) => {
  const outbox = outboxOf(await open(t, temporaryFolder(t)))
  for (let i = 0; i < 10; i++) outbox.enqueue(said('x'.repeat(1000)))
  assert.equal(outbox.batch(4, 1e6).length, 4)
  assert.equal(outbox.batch(10, 5000).length, 3)
  assert.equal(outbox.batch(10, 1).length, 1)
})

test('O1: what is said in a transaction that fails was never said', async (t) => {
  const state = await open(t, temporaryFolder(t))
  const outbox = outboxOf(state)
  assert.throws(() =>
    state.transaction(() => {
      outbox.enqueue(said('never'))
      throw new Error('rolled back')
    }),
  )
  outbox.enqueue(said('really'))
  assert.deepEqual(details(outbox), ['really'])
})

test('acknowledged messages are gone, the others stay, also after a restart', async (t) => {
  const folder = temporaryFolder(t)
  const state = await open(t, folder)
  const outbox = outboxOf(state)
  for (const text of ['one', 'two', 'three']) outbox.enqueue(said(text))
  const [, second] = outbox.batch(2, 1e6)
  assert.ok(second)
  outbox.acknowledge(second)
  state.close()
  const next = outboxOf(await open(t, folder))
  assert.deepEqual(details(next), ['three'])
})

test('O2: no number names two messages: not after acknowledgement, not after a restart, not in another boot or state', async (t) => {
  const folder = temporaryFolder(t)
  const names = new Set<string>()
  for (const [path, boot] of [
    [folder, 'boot-1'],
    [folder, 'boot-1'],
    [folder, 'boot-2'],
    [temporaryFolder(t), 'boot-2'],
  ] as const) {
    const state = await open(t, path)
    const outbox = outboxOf(state, boot)
    for (let i = 0; i < 5; i++) outbox.enqueue(said('x'))
    const batch = outbox.batch(100, 1e6)
    for (const { message } of batch) names.add(`${message.bootId} ${message.seq}`)
    const last = batch.at(-1)
    assert.ok(last)
    outbox.acknowledge(last)
    state.close()
  }
  assert.equal(names.size, 20)
})

test('O3: a full outbox gives up what the closing report repeats, and says how many', async (t) => {
  const outbox = outboxOf(await open(t, temporaryFolder(t)), 'boot', 100)
  outbox.enqueue(restarting)
  for (let i = 0; i < 500; i++) outbox.enqueue(stepStarted)
  outbox.enqueue(restarting)
  assert.ok(outbox.count() <= 164, `${outbox.count()} wait`)
  const left = details(outbox)
  assert.equal(left[0], 'restarting')
  assert.equal(left.at(-1), 'restarting')
  const summaries = left.filter((text) => /^\d+ messages made room/.test(text))
  const given = summaries.reduce((sum, text) => sum + Number.parseInt(text, 10), 0)
  assert.equal(given + left.filter((text) => text === 'stepStarted').length, 500)
})

test('the listener hears after the transaction, once for many messages', async (t) => {
  const state = await open(t, temporaryFolder(t))
  const outbox = outboxOf(state)
  const heard: number[] = []
  outbox.onEnqueue(() => heard.push(outbox.count()))
  state.transaction(() => {
    outbox.enqueue(said('one'))
    outbox.enqueue(said('two'))
  })
  assert.deepEqual(heard, [])
  await new Promise(setImmediate)
  assert.deepEqual(heard, [2])
})

test('after kill -9 at any moment, a message is there exactly when what it reports is there', async (t) => {
  const folder = temporaryFolder(t)
  const random = seededRandom(20_261_120)
  let before = 0
  for (let round = 0; round < 3; round++) {
    const child = startChild(
      t,
      `
      import { openState } from ${JSON.stringify(new URL('../state/state.ts', import.meta.url).href)}
      import { createOutbox } from ${JSON.stringify(new URL('outbox.ts', import.meta.url).href)}
      import { problem } from '@sluice/protocol'
      const { value: state } = await openState(${JSON.stringify(folder)})
      const outbox = createOutbox({ state, bootId: 'boot', now: Date.now })
      const fact = state.db.prepare('INSERT INTO setting (name, value) VALUES (?, ?)')
      for (let n = ${before + 1}; ; n++) {
        state.transaction(() => {
          fact.run('fact ' + n, '')
          outbox.enqueue({ kind: 'agentProblem', problem: problem('INTERNAL', 'fact ' + n) })
        })
        console.log(n)
        await new Promise(setImmediate)
      }
    `,
    )
    const wanted = before + 1 + Math.floor(random() * 200)
    await child.line((line) => Number(line) >= wanted)
    await child.kill()
    const acknowledged = Number(child.lines.at(-1))

    const state = await open(t, folder)
    const facts = state.db.prepare("SELECT name FROM setting WHERE name LIKE 'fact %'").all()
    const outbox = outboxOf(state, 'boot')
    assert.deepEqual(new Set(details(outbox)), new Set(facts.map(({ name }) => name)))
    assert.ok(facts.length >= acknowledged, `${facts.length} of ${acknowledged}`)
    assert.deepEqual(
      outbox.batch(100_000, 1e9).map(({ message }) => message.seq),
      facts.map((_, index) => index + 1),
    )
    before = facts.length
    state.close()
  }
})
