/** Gateways: where they are, what they may do, what they served. */
import type { CloudPointId, GatewayId } from '@sluice/protocol'
import type { Generated } from 'kysely'
import type { Flag } from '../types.ts'

export interface GatewaysTables {
  gateways: {
    id: GatewayId
    /** Unique. */
    name: string
    kind: 'internet' | 'internal'
    device_url: string
    enrolment_url: string
    /** `host:port` of the link listener. */
    link_address: string
    serve_content: Flag
    /** The cloud distribution point that it uses instead of its own folder. */
    content_point: CloudPointId | null
    created_at: number
    /** SHA-256 of the secret of the join code that still holds, in hexadecimal. */
    join_hash: string | null
    join_expires_at: number | null
    /** When the process started that sent the last traffic report; null before the first. */
    traffic_since: number | null
    /** Of that process. */
    pack_bytes: number
    page_bytes: number
    /** Of all processes before it. */
    earlier_pack_bytes: number
    earlier_page_bytes: number
    /** What it may send in 14 days before an alarm is raised; null: no alarm. */
    outbound_limit_bytes: number | null
    outbound_warning_percent: Generated<number>
    outbound_critical_percent: Generated<number>
    /** Stop this service when the critical threshold is exceeded. */
    stop_when_critical: Generated<Flag>
    /** What may lie at it before an alarm is raised; null: no alarm. */
    storage_limit_bytes: number | null
    /** Since when it serves no content because of the critical threshold; null: it does. */
    stopped_at: number | null
  }
  /** What a gateway served, by day (days since 1970, UTC). */
  gateway_traffic: { gateway_id: GatewayId; day: number; pack_bytes: number; page_bytes: number }
}
