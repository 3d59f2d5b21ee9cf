/**
 * The debugger's desk: orders of administrators on their way to a run, and what its device shows of it.
 *
 *   G1. Orders of a run are numbered and kept until the device says that it counted them; policy names
 *       them, so they are signed like all that a device does, and reach it with a push or its next poll.
 *   G2. Only the run that the device is in by its own word has a debugger; what a device says of another
 *       one is nobody's business (D2 of `deployments.ts`).
 *   G3. Nothing stays when the run has ended: what was ordered stands in the audit.
 */
import {
  DEBUG_ORDERS,
  DebugOrder,
  type DebugSession,
  DebugState,
  type DeviceId,
  fail,
  type NumberedDebugOrder,
  type RunId,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { changeConcerns } from '../administrators/audit/change.ts'
import { timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import { policyIsOld } from '../policy/facts-revision.ts'
import type { StatusListener } from '../status/status.ts'

export interface Debugging {
  /** The run that the device is in. `NOT_FOUND` when the site knows of none. */
  session(deviceId: DeviceId): Promise<DebugSession>
  /** Gives an order. `NOT_FOUND`; `CONFLICT` when too many wait for the device, or another run goes on than was meant. */
  order(deviceId: DeviceId, order: DebugOrder, runId?: RunId): Promise<DebugSession>
  onStatus: StatusListener
}

const Waiting = z.array(z.object({ n: z.int().positive(), order: DebugOrder }))

export function createDebugging(options: {
  db: Kysely<Database>
  /** Told after an order is durable. */
  onOrdered(device: DeviceId): void
}): Debugging {
  const { db, onOrdered } = options
  return {
    session: (deviceId) => sessionOf(db, deviceId),

    async order(deviceId, order, meant) {
      const session = await db.transaction().execute(async (trx) => {
        const run = await runOf(trx, deviceId)
        if (run === undefined) return fail('NOT_FOUND', `The site knows of no run that goes on at ${deviceId}.`)
        const { run_id: runId } = run
        if (meant !== undefined && meant !== runId) fail('CONFLICT', `${deviceId} is in another run by now: ${runId}.`)
        changeConcerns(runId)
        await trx
          .insertInto('run_debugging')
          .values({ run_id: runId, device_id: deviceId, last_order: 0, orders: '[]' })
          .onConflict((conflict) => conflict.column('run_id').doNothing())
          .execute()
        // The change comes first: it lets two orders at once wait for each other.
        const row = await trx
          .updateTable('run_debugging')
          .set((eb) => ({ last_order: eb('last_order', '+', 1) }))
          .where('run_id', '=', runId)
          .returning(['last_order', 'orders'])
          .executeTakeFirstOrThrow()
        const waiting = Waiting.parse(JSON.parse(row.orders))
        if (waiting.length >= DEBUG_ORDERS) fail('CONFLICT', `${waiting.length} orders wait for the device.`)
        const orders = JSON.stringify([...waiting, { n: row.last_order, order }])
        await trx.updateTable('run_debugging').set({ orders }).where('run_id', '=', runId).execute()
        await policyIsOld(trx, deviceId)
        return await sessionOf(trx, deviceId)
      })
      onOrdered(deviceId)
      return session
    },

    async onStatus(trx, { deviceId, receivedAt, message: { event } }) {
      if (event.kind === 'runFinished') {
        // G3
        await trx
          .deleteFrom('run_debugging')
          .where('run_id', '=', event.runId)
          .where('device_id', '=', deviceId)
          .execute()
        return
      }
      if (event.kind !== 'debugState') return
      if ((await runOf(trx, deviceId, event.runId)) === undefined) return // G2
      const said = { state: JSON.stringify(event.state), state_at: receivedAt }
      await trx
        .insertInto('run_debugging')
        .values({ run_id: event.runId, device_id: deviceId, last_order: event.state.order, orders: '[]', ...said })
        .onConflict((conflict) => conflict.column('run_id').doUpdateSet(said))
        .execute()
      const { orders } = await trx
        .selectFrom('run_debugging')
        .select('orders')
        .where('run_id', '=', event.runId)
        .executeTakeFirstOrThrow()
      const waiting = Waiting.parse(JSON.parse(orders))
      const left = waiting.filter(({ n }) => n > event.state.order)
      if (left.length === waiting.length) return
      await trx
        .updateTable('run_debugging')
        .set({ orders: JSON.stringify(left) })
        .where('run_id', '=', event.runId)
        .execute()
      await policyIsOld(trx, deviceId)
    },
  }
}

/** What policy tells those of the devices that have a debugger (G1). */
export async function debugOrders(db: Db, ids: readonly DeviceId[]): Promise<Map<DeviceId, NumberedDebugOrder[]>> {
  const rows = await db
    .selectFrom('deployment_devices as run')
    .leftJoin('run_debugging as debugger', (join) =>
      join.onRef('debugger.run_id', '=', 'run.run_id').onRef('debugger.device_id', '=', 'run.device_id'),
    )
    .select(['run.device_id', 'run.run_id', 'debugger.orders'])
    .where('run.device_id', 'in', ids)
    .where('run.state', '=', 'running')
    .where('run.run_id', 'is not', null)
    .orderBy('run.run_started_at')
    .execute()
  // The newest run of each is the last: as in `runOf`.
  const newest = new Map(rows.map((row) => [row.device_id, row]))
  const found = new Map<DeviceId, NumberedDebugOrder[]>()
  for (const { device_id, run_id, orders } of newest.values()) {
    if (run_id === null || orders === null) continue
    const waiting = Waiting.parse(JSON.parse(orders))
    found.set(
      device_id,
      waiting.map(({ n, order }) => ({ runId: run_id, n, order })),
    )
  }
  return found
}

/** The run that a device is in, by its own messages; the newest where it never said how one ended. */
async function runOf(db: Db, deviceId: DeviceId, runId?: RunId) {
  const row = await db
    .selectFrom('deployment_devices')
    .select(['run_id', 'deployment_id'])
    .where('device_id', '=', deviceId)
    .where('state', '=', 'running')
    .where('run_id', 'is not', null)
    .$if(runId !== undefined, (query) => query.where('run_id', '=', runId ?? null))
    .orderBy('run_started_at', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.run_id == null ? undefined : { run_id: row.run_id, deployment_id: row.deployment_id }
}

async function sessionOf(db: Db, deviceId: DeviceId): Promise<DebugSession> {
  const run = await runOf(db, deviceId)
  if (run === undefined) return fail('NOT_FOUND', `The site knows of no run that goes on at ${deviceId}.`)
  const row = await db.selectFrom('run_debugging').selectAll().where('run_id', '=', run.run_id).executeTakeFirst()
  return {
    ...{ deviceId, deploymentId: run.deployment_id, runId: run.run_id, order: row?.last_order ?? 0 },
    ...(row?.state == null ? {} : { state: DebugState.parse(JSON.parse(row.state)) }),
    ...(row?.state_at == null ? {} : { stateAt: timestamp(row.state_at) }),
  }
}
