/**
 * Client settings for the line: how fast content may come, when, and how much of it over a connection
 * that costs by the byte. They bind every transfer of content, also of runs that a user started.
 */
import { z } from 'zod'

export const Weekday = z.enum(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'])
export type Weekday = z.infer<typeof Weekday>

/** Time of day on the device's own clock, `00:00` to `23:59`. */
export const TimeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time such as 09:00')

/** Kilobits a second, 1,000 bits each, over all streams of the device together. */
const Rate = z.int().min(64).max(10_000_000)

/** Group *Background Intelligent Transfer* (configmgr-behaviour §5.11), with its names. */
export const ContentTransferSettings = z.strictObject({
  /** Limit the maximum network bandwidth. Off: nothing below counts. */
  limitBandwidth: z.boolean().default(false),
  /** Throttling window start and end; equal: the whole day. An end before the start is on the next day. */
  windowStart: TimeOfDay.default('09:00'),
  windowEnd: TimeOfDay.default('17:00'),
  /** Days on which the window begins. */
  windowDays: z.array(Weekday).max(7).default(['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun']),
  /** Maximum transfer rate during throttling window (Kbps). */
  insideKbps: Rate.default(1_000),
  /** Allow downloads outside the throttling window. */
  allowOutside: z.boolean().default(true),
  /** Maximum transfer rate outside the throttling window (Kbps); absent: as fast as the line. */
  outsideKbps: Rate.optional(),
})
export type ContentTransferSettings = z.infer<typeof ContentTransferSettings>

/** Group *Metered Internet Connections* (configmgr-behaviour §5.11); here for content only. */
export const MeteredInternetSettings = z.strictObject({
  /** Client communication on metered internet connections. */
  use: z.enum(['allow', 'limit', 'block']).default('block'),
  /** With *Limit*: so many bytes of content each day or calendar month, by the device's own clock. */
  budgetBytes: z
    .int()
    .min(0)
    .max(1024 ** 5)
    .default(500 * 1024 * 1024),
  budgetPer: z.enum(['day', 'month']).default('month'),
})
export type MeteredInternetSettings = z.infer<typeof MeteredInternetSettings>
