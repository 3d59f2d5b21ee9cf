/**
 * Rows of `distributions` as orders to the site: what is to be uploaded to cloud distribution points.
 *
 *   W1. One process works on an order at a time, by a lease; what it writes down it confirms with it.
 *   W3. An order that changed meanwhile is not finished by who began with the old one.
 */
import type { CloudPointId, Problem } from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { Lease } from '../db/lease.ts'
import type { ContentTables } from '../db/schema/content.ts'
import type { Log } from '../log.ts'
import { MOST_TRIES, pauseAfter } from './distribution.ts'
import { supersede } from './distributions.ts'

export type PointOrder = Selectable<ContentTables['distributions']> & { point_id: CloudPointId }

const DUE_AT_ONCE = 50

export interface PointOrders {
  /** What may begin now, the oldest first. */
  due(): Promise<PointOrder[]>
  /** The order as it is now, marked as under way; undefined when there is nothing to do any more (W1). */
  take(order: PointOrder, lease: Lease): Promise<PointOrder | undefined>
  /** @returns whether the order is still what the work began with (W3) */
  progress(order: PointOrder, presentBytes: number): Promise<boolean>
  finish(order: PointOrder, lease: Lease): Promise<void>
  /** Until the next try, or for good. */
  giveUp(order: PointOrder, lease: Lease, reason: Problem): Promise<void>
}

/** For logs, and to name the lease. */
export const orderName = ({ package_id, point_id, version }: PointOrder) => ({ package_id, point_id, version }) as const

export function createPointOrders({ db, clock, log }: { db: Kysely<Database>; clock: Clock; log: Log }): PointOrders {
  const row = (source: Db, { package_id, point_id, version }: PointOrder) =>
    source
      .updateTable('distributions')
      .where('package_id', '=', package_id)
      .where('point_id', '=', point_id)
      .where('version', '=', version)
  /** W3 */
  const ours = (source: Db, order: PointOrder) =>
    row(source, order)
      .where('state', '=', 'transferring')
      .where((eb) =>
        order.verify_since === null ? eb('verify_since', 'is', null) : eb('verify_since', '=', order.verify_since),
      )

  return {
    async due() {
      const rows = await db
        .selectFrom('distributions')
        .selectAll()
        .where('point_id', 'in', (eb) => eb.selectFrom('cloud_points').select('id'))
        .where('state', 'in', ['waiting', 'transferring', 'retrying'])
        .where((eb) => eb.or([eb('next_try_at', 'is', null), eb('next_try_at', '<=', clock.now())]))
        .orderBy('changed_at')
        .limit(DUE_AT_ONCE)
        .execute()
      return rows as PointOrder[]
    },

    async take(order, lease) {
      return await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        const taken = await row(trx, order)
          .set({ state: 'transferring', changed_at: clock.now() })
          .where('state', 'in', ['waiting', 'transferring', 'retrying'])
          .returningAll()
          .executeTakeFirst()
        return taken as PointOrder | undefined
      })
    },

    async progress(order, presentBytes) {
      const { numUpdatedRows } = await ours(db, order)
        .set({ present_bytes: presentBytes, changed_at: clock.now() })
        .executeTakeFirst()
      return numUpdatedRows > 0n
    },

    async finish(order, lease) {
      await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        const { numUpdatedRows } = await ours(trx, order)
          .set({
            ...{ state: 'installed', present_bytes: order.total_bytes, problem: null, next_try_at: null },
            ...{ verify_since: null, changed_at: clock.now() },
          })
          .executeTakeFirst()
        if (numUpdatedRows > 0n) await supersede(trx, order, clock.now())
      })
    },

    async giveUp(order, lease, reason) {
      const attempts = order.attempts + 1
      const over = reason.retry === 'never' || attempts >= MOST_TRIES
      const pauseMs = reason.retryAfterMs ?? pauseAfter(attempts)
      await db.transaction().execute(async (trx) => {
        await lease.confirm(trx)
        await ours(trx, order)
          .set({
            ...{ state: over ? 'failed' : 'retrying', attempts, problem: JSON.stringify(reason) },
            ...{ next_try_at: over ? null : clock.now() + pauseMs, changed_at: clock.now() },
          })
          .execute()
      })
      log.warn('upload failed', { ...orderName(order), attempts, code: reason.code, reason: reason.detail })
    },
  }
}
