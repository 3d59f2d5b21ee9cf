/** What of the line a run may use: rate and budget, and what people see when it may not. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import { ClientSettings, type PackageId } from '@sluice/protocol'
import { createLine } from '../download/budget/line.ts'
import { createMeteredUse } from '../download/budget/metered-use.ts'
import { startTestLine } from '../download/testing/test-line.ts'
import { never, once, silent } from '../download/testing/test-run.ts'
import { openState } from '../state/state.ts'
import { until } from '../testing/until.ts'
import { startRunLine } from './testing/run-line.ts'

const MiB = 1024 * 1024
const A = 'ABC00001' as PackageId

async function limited(t: Parameters<typeof startTestLine>[0]) {
  const line = await startTestLine(t)
  const state = await openState(join(line.folder, 'use'))
  assert.ok(state.ok)
  t.after(() => state.value.close())
  const settings = ClientSettings.parse({})
  const world = { metered: false }
  const use = createLine({
    settings: () => settings,
    now: Date.now,
    monotonicMs: () => performance.now(),
    probe: { look: async () => world.metered, last: () => world.metered },
    use: createMeteredUse(state.value),
  })
  return { line, settings, world, use }
}

test('a rate binds all streams together, and nothing is lost by it', async (t) => {
  const { line, settings, use } = await limited(t)
  settings.contentTransfer.limitBandwidth = true
  settings.contentTransfer.windowEnd = settings.contentTransfer.windowStart
  settings.contentTransfer.insideKbps = 16_000
  const bytes = seededBytes('slow', 5 * MiB)
  const pack = await line.add('ABC00001', { 'slow.bin': bytes })
  const run = await line.open([pack], {}, use)
  const began = performance.now()
  const got = await run.contents.acquire({ packageId: A, retry: once }, never, silent)
  const seconds = (performance.now() - began) / 1000
  assert.ok(got.ok, JSON.stringify(got))
  assert.deepEqual(readFileSync(join(got.value.folder, 'slow.bin')), bytes)
  assert.equal(got.value.fetchedBytes, pack.policy.storedBytes)
  // 2,000,000 bytes a second, but for what may come in the first one at once.
  assert.ok(seconds >= (5 * MiB) / 2_000_000 - 1, `${seconds} s`)
})

test('a budget stops it in the middle with its reason; it goes on when there is more, and nothing comes twice', async (t) => {
  const { line, settings, world, use } = await limited(t)
  world.metered = true
  const budgetBytes = 12 * MiB
  settings.meteredInternet = { use: 'limit', budgetBytes, budgetPer: 'month' }
  const bytes = seededBytes('metered', 24 * MiB)
  const pack = await line.add('ABC00001', { 'metered.bin': bytes })
  line.contents.bytesPerSecond = 16 * MiB
  // Waiting for the line takes nothing of the patience with a source that is silent.
  const run = await line.open([pack], { limits: { noProgressMs: 100, maxPauseMs: 50 } }, use)
  const waits: (string | undefined)[] = []
  const events = { ...silent, onWaiting: (reason?: { code: string }) => waits.push(reason?.code) }
  const got = run.contents.acquire({ packageId: A, retry: once }, never, events)
  await until('it waits', () => waits.filter((code) => code === 'METERED_BUDGET_SPENT').length > 8)
  const { fetchedBytes } = run.contents.bytes(A)
  assert.ok(fetchedBytes >= MiB && fetchedBytes <= budgetBytes, `${fetchedBytes} of ${budgetBytes}`)
  const asked = line.contents.served.objects.length
  await until('it still waits', () => waits.length > 12)
  assert.equal(line.contents.served.objects.length, asked, 'and asks nobody')

  settings.meteredInternet.budgetBytes = 100 * MiB
  const done = await got
  assert.ok(done.ok, JSON.stringify(done))
  assert.equal(waits.at(-1), undefined)
  assert.deepEqual(readFileSync(join(done.value.folder, 'metered.bin')), bytes)
  assert.equal(done.value.neededBytes, pack.policy.storedBytes)
  assert.equal(done.value.fetchedBytes, pack.policy.storedBytes, 'nothing was lost')
})

test('a budget of a few MiB brings frames and wastes nothing; the state says what it has and what comes next', async (t) => {
  const { line, settings, world, use } = await limited(t)
  world.metered = true
  settings.meteredInternet = { use: 'limit', budgetBytes: 2 * MiB, budgetPer: 'month' }
  const bytes = seededBytes('tiny budget', 12 * MiB)
  const pack = await line.add('ABC00001', { 'metered.bin': bytes })
  const run = await line.open([pack], { limits: { noProgressMs: 100, maxPauseMs: 50, streams: 16 } }, use)
  const waits: { code: string; detail: string }[] = []
  const events = { ...silent, onWaiting: (reason?: { code: string; detail: string }) => reason && waits.push(reason) }
  const got = run.contents.acquire({ packageId: A, retry: once }, never, events)
  for (const budgetBytes of [2 * MiB, 4 * MiB, 5 * MiB]) {
    settings.meteredInternet.budgetBytes = budgetBytes
    waits.length = 0
    // Nobody is under way any more when nothing but waiting has happened for a while.
    const asked = () => line.contents.served.objects.length
    let before = -1
    await until('it waits', () => {
      const still = before === asked() && waits.length > 20
      if (before !== asked()) waits.length = 0
      before = asked()
      return still
    })
    const { fetchedBytes, neededBytes, metadataBytes } = run.contents.bytes(A)
    assert.equal(fetchedBytes, neededBytes, 'every byte was of a frame that came whole')
    assert.ok(fetchedBytes + metadataBytes <= budgetBytes)
    assert.ok(fetchedBytes + metadataBytes > budgetBytes - 1.1 * MiB, `${fetchedBytes} of ${budgetBytes}`)
    assert.equal(waits.at(-1)?.code, 'METERED_BUDGET_SPENT')
    assert.match(waits.at(-1)?.detail ?? '', / MiB were used this month(, and what comes next has [\d.]+ MiB)?\.$/)
  }
  settings.meteredInternet.use = 'allow'
  const done = await got
  assert.ok(done.ok, JSON.stringify(done))
  assert.deepEqual(readFileSync(join(done.value.folder, 'metered.bin')), bytes)
  assert.equal(done.value.fetchedBytes, pack.policy.storedBytes, 'nothing came twice')
})

test('a metered line that is blocked holds a run that its user started; policy sets it free', async (t) => {
  const line = await startRunLine(
    t,
    { ABC00001: { 'data.bin': seededBytes('a', MiB) } },
    (effect) => [
      { type: 'runCommandLine', name: 'First', commandLine: effect('first') },
      { type: 'downloadPackageContent', name: 'Fetch', packages: [A] },
      { type: 'runCommandLine', name: 'Last', commandLine: effect('last') },
    ],
    {},
    { metered: 'yes' },
  )
  line.site.body.clientSettings.clientPolicy.pollingIntervalMs = 1_000
  line.site.body.clientSettings.meteredInternet.use = 'block'
  const ended = line.runToEnd()
  const held = () => line.site.messages.find(({ event }) => event.kind === 'contentHeld')?.event
  await until('the site hears why it waits', () => held() !== undefined)
  const event = held()
  assert.ok(event?.kind === 'contentHeld')
  assert.equal(event.problem.code, 'METERED_BLOCKED')
  assert.deepEqual(line.happened(), ['first'])
  assert.equal(line.contents.served.packBytes, 0)
  line.site.body.clientSettings.meteredInternet.use = 'allow'
  const report = await ended
  assert.equal(report.result, 'success')
  assert.deepEqual(line.happened(), ['first', 'last'])
  assert.equal(line.site.messages.filter(({ event }) => event.kind === 'contentHeld').length, 1, 'said once')
  assert.match(line.log(), /Waiting: METERED_BLOCKED/)
})
