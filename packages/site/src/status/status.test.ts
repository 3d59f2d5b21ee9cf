import assert from 'node:assert/strict'
import { DeploymentId, type DeviceId, GatewayId, RunId, type StatusMessage } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Database } from '../db/database.ts'
import { onEveryDatabase } from '../db/testing.ts'
import { createAdmission } from '../devices/admission.ts'
import { newId } from '../identity/new-id.ts'
import { insertDevice } from '../testing/enrolled-device.ts'
import { createManualClock } from '../testing/manual-clock.ts'
import { createStatus, type StatusListener } from './status.ts'

const runId = newId('run', RunId)
const deploymentId = newId('dep', DeploymentId)
const gateway = { gatewayId: newId('gw', GatewayId), kind: 'internet' } as const
const never = new AbortController().signal

const message = (bootId: string, seq: number): StatusMessage => ({
  bootId,
  seq,
  at: '2026-11-20T12:00:00.000Z',
  event: { kind: 'runStarted', runId, deploymentId, startedBy: 'user' },
})

async function makeStatus(db: Kysely<Database>, listeners: StatusListener[] = []) {
  const clock = createManualClock()
  const status = createStatus({ db, clock, requireDevice: createAdmission({ db, clock }), listeners })
  const device = await insertDevice(db, clock.now())
  return {
    status,
    device,
    send: (messages: StatusMessage[], from = device) =>
      status.handler({ caller: from.caller, gateway, parameters: {}, body: { messages }, signal: never }),
    read: (after = 0, deviceId?: DeviceId) =>
      status.entries({ after, deviceId, waitMs: 0, signal: never, limit: 1_000 }),
    clock,
  }
}

onEveryDatabase('a message that comes again is acknowledged again and kept once (REL-15)', async (db) => {
  const heard: number[] = []
  const site = await makeStatus(db, [async (_, { message }) => void heard.push(message.seq)])
  assert.deepEqual(await site.send([message('boot 1', 1), message('boot 1', 2)]), {
    kind: 'json',
    body: { accepted: 2 },
  })
  assert.deepEqual(await site.send([message('boot 1', 2), message('boot 1', 3), message('boot 2', 1)]), {
    kind: 'json',
    body: { accepted: 3 },
  })
  const entries = await site.read()
  assert.deepEqual(
    entries.map((entry) => [entry.message.bootId, entry.message.seq]),
    [
      ['boot 1', 1],
      ['boot 1', 2],
      ['boot 1', 3],
      ['boot 2', 1],
    ],
  )
  assert.deepEqual(heard, [1, 2, 3, 1])
})

onEveryDatabase(
  'many devices at once: every message once, cursors rise, a reader that follows misses none',
  async (db) => {
    const site = await makeStatus(db)
    const devices = await Promise.all(Array.from({ length: 5 }, () => insertDevice(db, site.clock.now())))
    const sent = devices.flatMap((device) =>
      [1, 2, 3, 4].flatMap((seq) => [
        site.send([message('b', seq), message('b', seq + 1)], device),
        site.send([message('b', seq)], device),
      ]),
    )
    const seen: number[] = []
    const follow = async () => {
      while (seen.length < 25) {
        const entries = await site.status.entries({
          after: seen.at(-1) ?? 0,
          waitMs: 5_000,
          signal: never,
          limit: 1_000,
        })
        assert.ok(entries.length > 0)
        seen.push(...entries.map((entry) => entry.cursor))
      }
    }
    await Promise.all([follow(), ...sent])
    assert.deepEqual(
      seen,
      (await site.read()).map((entry) => entry.cursor),
    )
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    )
    for (const device of devices) assert.equal((await site.read(0, device.id)).length, 5)
  },
)

onEveryDatabase('what a listener derives is there exactly when the message is', async (db) => {
  const site = await makeStatus(db, [
    async (trx, { message }) => {
      await trx
        .insertInto('counters')
        .values({ name: `seen ${message.seq}`, value: 1 })
        .execute()
      if (message.seq === 2) throw new Error('cannot derive anything from this')
    },
  ])
  await site.send([message('b', 1)])
  await assert.rejects(site.send([message('b', 2)]), /cannot derive/)
  assert.equal((await site.read()).length, 1)
  const derived = await db.selectFrom('counters').select('name').where('name', 'like', 'seen%').execute()
  assert.deepEqual(
    derived.map((row) => row.name),
    ['seen 1'],
  )
})

onEveryDatabase('who waits is woken by the next message, or goes away empty-handed', async (db) => {
  const site = await makeStatus(db)
  const waiting = site.status.entries({ after: 0, waitMs: 30_000, signal: never, limit: 1_000 })
  await site.send([message('b', 1)])
  assert.equal((await waiting).length, 1)
  const given = new AbortController()
  const gone = site.status.entries({ after: 1_000_000, waitMs: 30_000, signal: given.signal, limit: 1_000 })
  given.abort()
  assert.deepEqual(await gone, [])
})

onEveryDatabase('a message that another process of the site took is seen too', async (db, location) => {
  const { openDatabase } = await import('../db/database.ts')
  const other = await openDatabase(location)
  assert.ok(other.ok)
  const here = await makeStatus(db)
  const there = await makeStatus(other.value)
  const waiting = here.status.entries({ after: 0, waitMs: 30_000, signal: never, limit: 1_000 })
  await there.send([message('b', 1)])
  assert.equal((await waiting).length, 1)
  await other.value.destroy()
})
