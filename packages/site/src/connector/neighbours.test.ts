import assert from 'node:assert/strict'
import { DeviceId, GatewayId, silentLog } from '@sluice/protocol'
import { sql } from 'kysely'
import { onEveryDatabase } from '../db/testing.ts'
import { type Hint, listenToNeighbours, type Neighbours } from './neighbours.ts'
import { until } from './testing/linked-site.ts'

const device = (i: number) => DeviceId.parse(`dev_${String(i).padStart(20, '0')}`)
const gateway = GatewayId.parse('gw_0123456789')

onEveryDatabase('processes of a site hear from each other which devices shall ask', async (db, location) => {
  const processes: { neighbours: Neighbours; heard: Hint[]; begun: number }[] = []
  const start = () => {
    const one = { heard: [] as Hint[], begun: 0 }
    const neighbours = listenToNeighbours({
      ...{ db, location, log: silentLog },
      onHeard: (hint) => one.heard.push(hint),
      onListening: () => void one.begun++,
    })
    const process = Object.assign(one, { neighbours })
    processes.push(process)
    return process
  }
  const [first, second] = [start(), start()]
  try {
    if (location.kind === 'sqlite') {
      // One process: nobody to tell, and nothing goes wrong.
      first.neighbours.tell([gateway], [device(1)])
      return
    }
    await until(() => first.begun === 1 && second.begun === 1, 'both to listen')
    first.neighbours.tell([gateway], [device(1)])
    await until(() => second.heard.length === 1, 'the hint')
    assert.deepEqual([second.heard[0]?.devices, second.heard[0]?.told], [[device(1)], [gateway]])

    // Many take several messages; very many are everybody.
    const many = Array.from({ length: 250 }, (_, i) => device(i))
    second.neighbours.tell([], many)
    await until(() => first.heard.length === 3, 'three hints')
    assert.deepEqual(first.heard.flatMap(({ devices = [] }) => devices).sort(), many)
    second.neighbours.tell(
      [],
      Array.from({ length: 1_001 }, (_, i) => device(i)),
    )
    await until(() => first.heard.length === 4, 'one hint')
    assert.equal(first.heard[3]?.devices, undefined)
    assert.equal(second.heard.length, 1, 'nobody hears himself')

    // A connection that breaks comes back, and what is no hint is not taken.
    await sql`select pg_terminate_backend(pid) from pg_stat_activity
      where application_name = 'sluice-site neighbours' and datname = current_database()`.execute(db)
    await until(() => first.begun === 2 && second.begun === 2, 'both to listen again')
    await sql`select pg_notify('sluice_sync', '{"devices":["all"]}')`.execute(db)
    first.neighbours.tell([])
    await until(() => second.heard.length === 2, 'the hint')
    assert.equal(second.heard[1]?.devices, undefined)
  } finally {
    await Promise.all(processes.map(({ neighbours }) => neighbours.stop()))
  }
})
