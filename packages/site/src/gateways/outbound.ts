/** What gateways sent, by day, and whether it is more than it should be. Days are those of UTC. */
import { type GatewayId, OUTBOUND_DAYS, type OutboundThreshold } from '@sluice/protocol'
import type { Selectable } from 'kysely'
import type { Db } from '../db/database.ts'
import type { GatewaysTables } from '../db/schema/gateways.ts'

const DAY_MS = 24 * 3600_000
/** Days that are remembered. */
const KEPT_DAYS = 400

const dayOf = (now: number): number => Math.floor(now / DAY_MS)

/** Adds to the day of `now` (milliseconds since 1970), and forgets what is long ago. */
export async function countOutbound(
  db: Db,
  id: GatewayId,
  now: number,
  bytes: { pack: number; page: number },
): Promise<void> {
  if (bytes.pack === 0 && bytes.page === 0) return
  const day = dayOf(now)
  await db
    .insertInto('gateway_traffic')
    .values({ gateway_id: id, day, pack_bytes: bytes.pack, page_bytes: bytes.page })
    .onConflict((conflict) =>
      conflict.columns(['gateway_id', 'day']).doUpdateSet((eb) => ({
        pack_bytes: eb('gateway_traffic.pack_bytes', '+', bytes.pack),
        page_bytes: eb('gateway_traffic.page_bytes', '+', bytes.page),
      })),
    )
    .execute()
  await db
    .deleteFrom('gateway_traffic')
    .where('gateway_id', '=', id)
    .where('day', '<', day - KEPT_DAYS)
    .execute()
}

/** Bytes of the last 14 days, today among them. */
export async function outboundBytes(db: Db, now: number): Promise<Map<GatewayId, number>> {
  const rows = await db
    .selectFrom('gateway_traffic')
    .select((eb) => [
      'gateway_id',
      eb.fn.sum<number>('pack_bytes').as('packs'),
      eb.fn.sum<number>('page_bytes').as('pages'),
    ])
    .where('day', '>', dayOf(now) - OUTBOUND_DAYS)
    .groupBy('gateway_id')
    .execute()
  return new Map(rows.map((row) => [row.gateway_id, Number(row.packs) + Number(row.pages)]))
}

type Row = Selectable<GatewaysTables['gateways']>

export const thresholdOf = (row: Row): OutboundThreshold => ({
  limitBytes: row.outbound_limit_bytes,
  warningPercent: row.outbound_warning_percent,
  criticalPercent: row.outbound_critical_percent,
  stopWhenCritical: row.stop_when_critical === 1,
})

export const thresholdColumns = (threshold: OutboundThreshold) => ({
  outbound_limit_bytes: threshold.limitBytes,
  outbound_warning_percent: threshold.warningPercent,
  outbound_critical_percent: threshold.criticalPercent,
  stop_when_critical: threshold.stopWhenCritical ? (1 as const) : (0 as const),
})

/** Undefined below both percentages. */
export function outboundLevel(threshold: OutboundThreshold, bytes: number): 'warning' | 'critical' | undefined {
  const { limitBytes, warningPercent, criticalPercent } = threshold
  if (limitBytes === null) return undefined
  if (bytes > (limitBytes * criticalPercent) / 100) return 'critical'
  return bytes > (limitBytes * warningPercent) / 100 ? 'warning' : undefined
}
