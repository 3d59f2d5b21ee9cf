/** `SMSTSDownloadRetryCount` and `SMSTSDownloadRetryDelay`: a try goes on where the last one ended. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededBytes } from '@sluice/content/testing'
import { type Problem, problem } from '@sluice/protocol'
import type { TestPackage } from './testing/test-contents.ts'
import { startTestLine, type TestLine } from './testing/test-line.ts'
import { never, silent, type TestRun } from './testing/test-run.ts'

const MiB = 1024 * 1024

/** After each range that comes, the store refuses one more: every try brings a range and fails. */
function refuseEveryOther({ contents }: TestLine): { ranges: string[] } {
  const ranges: string[] = []
  let refuses = false
  contents.fault = ({ kind, start, end }) => {
    if (kind !== 'pack') return undefined
    refuses = !refuses
    if (refuses) {
      ranges.push(`${start}-${end}`)
      return undefined
    }
    return (response) => {
      const said = problem('CONTENT_NOT_DISTRIBUTED', 'as the test wants it')
      response.writeHead(409, { 'content-type': 'application/problem+json' }).end(JSON.stringify(said))
    }
  }
  return { ranges }
}

/** The reasons of tries that failed, and when each began to wait and went on. */
async function acquire(run: TestRun, { policy }: TestPackage, retry: { count: number; delayMs: number }) {
  const reasons: Problem[] = []
  const pausesMs: number[] = []
  let since = 0
  const onWaiting = (reason: Problem | undefined) => {
    if (reason === undefined && since > 0) pausesMs.push(performance.now() - since)
    since = reason?.detail.startsWith(`${policy.name} (${policy.id})`) ? performance.now() : 0
    if (since > 0 && reason !== undefined) reasons.push(reason)
  }
  const got = await run.contents.acquire({ packageId: policy.id, retry }, never, { ...silent, onWaiting })
  return { got, reasons, pausesMs }
}

test('every retry waits as long as the deployment says and fetches only what lacks', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'some.bin': seededBytes('some', 4 * MiB) })
  const run = await line.open([pack], { limits: { streams: 1 } })
  const { ranges } = refuseEveryOther(line)
  const { got, reasons, pausesMs } = await acquire(run, pack, { count: 20, delayMs: 30 })
  assert.ok(got.ok, JSON.stringify(got))
  assert.ok(ranges.length >= 3, `${ranges.length} ranges`)
  assert.equal(reasons.length, ranges.length - 1, 'a try for each range')
  assert.ok(reasons.every(({ code }) => code === 'CONTENT_NOT_DISTRIBUTED'))
  // A timer may come a millisecond early.
  assert.ok(pausesMs.length === reasons.length && pausesMs.every((pause) => pause >= 29), String(pausesMs))
  assert.equal(got.value.fetchedBytes, pack.policy.storedBytes, 'nothing came twice')
})

test('when the count is used up the step fails; the next one that asks goes on from there', async (t) => {
  const line = await startTestLine(t)
  const pack = await line.add('ABC00001', { 'some.bin': seededBytes('some', 4 * MiB) })
  const run = await line.open([pack], { limits: { streams: 1 } })
  const { ranges } = refuseEveryOther(line)
  const first = await acquire(run, pack, { count: 1, delayMs: 0 })
  assert.ok(!first.got.ok)
  assert.equal(first.got.problem.code, 'CONTENT_NOT_DISTRIBUTED')
  assert.deepEqual([first.reasons.length, ranges.length], [1, 2], 'tried twice')

  line.contents.fault = undefined
  const again = await line.open([pack], { runFolder: 'run-1', limits: { streams: 1 } })
  const second = await acquire(again, pack, { count: 0, delayMs: 0 })
  assert.ok(second.got.ok, JSON.stringify(second.got))
  assert.equal(second.got.value.fetchedBytes, pack.policy.storedBytes, 'over both runs nothing came twice')
})
