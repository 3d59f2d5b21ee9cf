/** Schedule, rate and budget, by clocks that the test turns. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { ClientSettings, type ContentTransferSettings, type Weekday } from '@sluice/protocol'
import { openState } from '../../state/state.ts'
import { temporaryFolder } from '../../testing/temporary-folder.ts'
import { createLine } from './line.ts'
import { createMeteredUse } from './metered-use.ts'
import { createTokenBucket } from './token-bucket.ts'
import { allowanceAt } from './transfer-window.ts'

const MiB = 1024 * 1024
const window = (more: Partial<ContentTransferSettings> = {}): ContentTransferSettings => ({
  ...{ limitBandwidth: true, windowStart: '09:00', windowEnd: '17:00', insideKbps: 1000, allowOutside: true },
  windowDays: ['mon', 'tue', 'wed', 'thu', 'fri'],
  ...more,
})
const at = (settings: ContentTransferSettings, day: Weekday, time: string) => {
  const allowed = allowanceAt(settings, { day, minute: Number(time.slice(0, 2)) * 60 + Number(time.slice(3)) })
  return allowed.kind === 'closed' ? 'closed' : (allowed.bytesPerSecond ?? 'free')
}

test('the window has its rate, on its days only; outside of it another one holds, or none, or nothing comes', () => {
  assert.equal(at(window(), 'mon', '09:00'), 125_000)
  assert.equal(at(window(), 'mon', '16:59'), 125_000)
  assert.equal(at(window(), 'mon', '17:00'), 'free')
  assert.equal(at(window(), 'sun', '12:00'), 'free')
  assert.equal(at(window({ outsideKbps: 8000 }), 'sun', '12:00'), 1_000_000)
  assert.equal(at(window({ allowOutside: false }), 'sun', '12:00'), 'closed')
  assert.equal(at(window({ limitBandwidth: false, allowOutside: false }), 'sun', '12:00'), 'free')
})

test('a window over midnight belongs to the day on which it began; equal ends are a whole day', () => {
  const night = window({ windowStart: '22:00', windowEnd: '06:00', allowOutside: false })
  assert.equal(at(night, 'fri', '23:00'), 125_000)
  assert.equal(at(night, 'sat', '05:59'), 125_000)
  assert.equal(at(night, 'sat', '22:00'), 'closed')
  assert.equal(at(night, 'mon', '05:00'), 'closed', 'it did not begin on Sunday')
  const always = window({ windowStart: '09:00', windowEnd: '09:00', windowDays: ['mon'], allowOutside: false })
  assert.equal(at(always, 'mon', '09:00'), 125_000)
  assert.equal(at(always, 'tue', '08:59'), 125_000)
  assert.equal(at(always, 'tue', '09:00'), 'closed')
})

test('the bucket lets bytes come at the rate, whoever takes them and however large the pieces are', () => {
  let now = 0
  const bucket = createTokenBucket(() => now)
  let bytes = 0
  for (let piece = 0; piece < 1000; piece++) {
    const size = 1 + ((piece * 7919) % 64_000)
    bytes += size
    now += bucket.take(size, 1_000_000)
  }
  assert.ok(Math.abs(bytes / (now / 1000) - 1_000_000) < 20_000)
  now += 3_600_000
  assert.equal(bucket.take(1_000_000, 1_000_000), 0, 'a second of what was not used is kept')
  assert.equal(Math.round(bucket.take(1_000_000, 1_000_000)), 1000, 'and no more')
})

async function meteredLine(t: Parameters<typeof temporaryFolder>[0], settings: ClientSettings['meteredInternet']) {
  const folder = temporaryFolder(t)
  const state = await openState(join(folder, 'state'))
  assert.ok(state.ok)
  t.after(() => state.value.close())
  const world = { now: new Date(2026, 10, 29, 12).getTime(), metered: true, settings: ClientSettings.parse({}) }
  world.settings.meteredInternet = settings
  const probe = { look: async () => world.metered, last: () => world.metered }
  const open = () => {
    const use = createMeteredUse(state.value)
    const line = createLine({
      ...{ settings: () => world.settings, now: () => world.now, monotonicMs: () => world.now, probe, use },
    })
    return { line, use }
  }
  return { world, open }
}

test('a budget ends what comes over a metered line, is kept over restarts, and begins anew with the month', async (t) => {
  const { world, open } = await meteredLine(t, { use: 'limit', budgetBytes: 10 * MiB, budgetPer: 'month' })
  const first = open()
  assert.equal(await first.line.admit(0), undefined)
  for (let piece = 0; piece < 9; piece++) assert.equal(first.line.passed(MiB), undefined)
  world.metered = false
  assert.equal(first.line.passed(100 * MiB), undefined, 'what comes over another line counts for nothing')
  world.metered = true
  first.use.flush()

  const second = open()
  const reason = second.line.passed(MiB)
  assert.ok(reason !== undefined && 'code' in reason)
  assert.equal(reason.code, 'METERED_BUDGET_SPENT')
  assert.match(reason.detail, /10 MiB of 10 MiB were used this month/)
  assert.equal((await second.line.admit(0))?.code, 'METERED_BUDGET_SPENT')
  world.metered = false
  assert.equal(await second.line.admit(0), undefined, 'another line')
  world.metered = true
  world.settings.meteredInternet.budgetBytes = 20 * MiB
  assert.equal(await second.line.admit(0), undefined, 'a larger budget')
  world.settings.meteredInternet.budgetBytes = 10 * MiB
  world.now = new Date(2026, 11, 1, 0, 1).getTime()
  assert.equal(await second.line.admit(0), undefined, 'another month')
})

test('a budget a day counts the day; block blocks; allow allows', async (t) => {
  const { world, open } = await meteredLine(t, { use: 'limit', budgetBytes: MiB, budgetPer: 'day' })
  const { line } = open()
  assert.ok(line.passed(2 * MiB) !== undefined)
  world.now += 24 * 3600_000
  assert.equal(await line.admit(0), undefined)
  world.settings.meteredInternet.use = 'block'
  assert.equal((await line.admit(0))?.code, 'METERED_BLOCKED')
  world.settings.meteredInternet.use = 'allow'
  assert.equal(await line.admit(0), undefined)
})

test('what is under way counts: nothing begins that the budget cannot end, and streams are few', async (t) => {
  const { world, open } = await meteredLine(t, { use: 'limit', budgetBytes: 2 * MiB, budgetPer: 'month' })
  const { line } = open()
  await line.admit(0)
  assert.deepEqual([line.mostStreams(), line.mostRangeBytes()], [2, MiB / 4])
  assert.equal(await line.admit(MiB), undefined)
  assert.equal(line.passed(MiB / 2), undefined)
  const refused = await line.admit(1.5 * MiB)
  assert.match(refused?.detail ?? '', /^0\.5 MiB of 2 MiB were used this month, and what comes next has 1\.5 MiB\.$/)
  assert.equal(refused?.code, 'METERED_BUDGET_SPENT')
  // The other half of the first one does not come.
  line.givenUp(MiB / 2)
  assert.equal(await line.admit(1.5 * MiB), undefined)
  assert.equal((await line.admit(1))?.code, 'METERED_BUDGET_SPENT')
  line.passed(1.5 * MiB)
  assert.match((await line.admit(1))?.detail ?? '', /^2 MiB of 2 MiB were used this month\.$/)
  assert.equal(line.mostStreams(), 1)
  world.metered = false
  assert.equal(await line.admit(100 * MiB), undefined)
  assert.equal(line.mostStreams(), Number.POSITIVE_INFINITY)
})
