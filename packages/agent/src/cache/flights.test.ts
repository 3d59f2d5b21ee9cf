import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentId } from '@sluice/protocol'
import { entryIdOf } from './entry.ts'
import { createFlights, type FlightEvents } from './flights.ts'

const entry = entryIdOf('a'.repeat(64) as ContentId)
const never = new AbortController().signal
const watcher = () => {
  const seen: unknown[] = []
  const events: FlightEvents = {
    onProgress: (done, total) => seen.push([done, total]),
    onReceived: (bytes) => seen.push(bytes),
    onWaiting: (reason) => seen.push(reason?.code),
  }
  return { seen, events }
}

test('who wants what somebody else brings waits for it, sees how it goes, and takes its turn then', async () => {
  const flights = createFlights()
  const [first, second] = [watcher(), watcher()]
  const order: string[] = []
  const go = Promise.withResolvers<void>()
  const one = flights.fly(entry, first.events, never, async (events) => {
    order.push('first begins')
    await go.promise
    events.onProgress(1, 2)
    order.push('first ends')
  })
  const two = flights.fly(entry, second.events, never, async () => void order.push('second'))
  assert.ok(flights.busy(entry))
  go.resolve()
  await Promise.all([one, two])
  assert.deepEqual(order, ['first begins', 'first ends', 'second'])
  assert.deepEqual(second.seen, [[1, 2]])
  assert.ok(!flights.busy(entry))
})

test('a flight that fails leaves the turn to the next; one that waits can be called off alone', async () => {
  const flights = createFlights()
  const go = Promise.withResolvers<void>()
  const failing = flights.fly(entry, watcher().events, never, async () => {
    await go.promise
    throw new Error('broken')
  })
  const impatient = new AbortController()
  const aborted = flights.fly(entry, watcher().events, impatient.signal, async () => 'never')
  const patient = flights.fly(entry, watcher().events, never, async () => 'mine')
  impatient.abort(new Error('enough'))
  await assert.rejects(aborted, /enough/)
  go.resolve()
  await assert.rejects(failing, /broken/)
  assert.equal(await patient, 'mine')
})
