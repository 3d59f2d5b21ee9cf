/** What an administrator should look at: thresholds of gateways, and what expires. */
import { z } from 'zod'
import type { AdminRoute } from './route.ts'

const percent = z.int().min(1).max(100)

/** How much a gateway may send in 14 days before somebody hears of it (reference 5.2: warning 50 %, critical 90 %). */
export const OutboundThreshold = z.strictObject({
  /** Null: no threshold. */
  limitBytes: z.int().positive().nullable(),
  warningPercent: percent.default(50),
  criticalPercent: percent.default(90),
  /** Stop this service when the critical threshold is exceeded: it serves no content until the threshold is raised. */
  stopWhenCritical: z.boolean().default(false),
})
export type OutboundThreshold = z.infer<typeof OutboundThreshold>

/** Days over which what a gateway sends is counted. */
export const OUTBOUND_DAYS = 14

export const Alarm = z.object({
  kind: z.enum(['link', 'certificate', 'signature', 'outbound', 'stopped', 'storage', 'device']),
  severity: z.enum(['warning', 'critical']),
  /** Name of the gateway or device, or the role of the signature. */
  subject: z.string(),
  /** For people: what is, and what to do. */
  text: z.string(),
})
export type Alarm = z.infer<typeof Alarm>

export const alarmRoutes = {
  /** Those that hold now, the critical ones first. */
  alarms: { method: 'GET', path: '/admin/v1/alarms', maxBodyBytes: 0, answer: z.array(Alarm) },
} as const satisfies Record<string, AdminRoute>
