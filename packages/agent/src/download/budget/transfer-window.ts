/** What the schedule of the client settings says about a moment: how fast content may come, or that it may not. */
import type { ContentTransferSettings, Weekday } from '@sluice/protocol'

export type Allowance =
  /** Undefined: as fast as the line. */
  { kind: 'open'; bytesPerSecond: number | undefined } | { kind: 'closed' }

/** A moment on the device's own clock. */
export interface LocalTime {
  day: Weekday
  /** Since midnight, 0 to 1439. */
  minute: number
}

const days: readonly Weekday[] = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat']

/** @param now milliseconds since 1970 */
export function localTime(now: number): LocalTime {
  const date = new Date(now)
  return { day: days[date.getDay()] ?? 'sun', minute: date.getHours() * 60 + date.getMinutes() }
}

export function allowanceAt(settings: ContentTransferSettings, at: LocalTime): Allowance {
  if (!settings.limitBandwidth) return { kind: 'open', bytesPerSecond: undefined }
  if (isInside(settings, at)) return { kind: 'open', bytesPerSecond: bytesOf(settings.insideKbps) }
  if (!settings.allowOutside) return { kind: 'closed' }
  return {
    kind: 'open',
    bytesPerSecond: settings.outsideKbps === undefined ? undefined : bytesOf(settings.outsideKbps),
  }
}

const bytesOf = (kbps: number) => (kbps * 1000) / 8
const minuteOf = (time: string) => Number(time.slice(0, 2)) * 60 + Number(time.slice(3))

/** A window that ends before it starts, or then, is still open on the day after it began. */
function isInside(
  { windowStart, windowEnd, windowDays }: ContentTransferSettings,
  { day, minute }: LocalTime,
): boolean {
  const [start, end] = [minuteOf(windowStart), minuteOf(windowEnd)]
  const begins = (on: Weekday) => windowDays.includes(on)
  if (start < end) return begins(day) && minute >= start && minute < end
  const dayBefore = days[(days.indexOf(day) + 6) % 7] ?? day
  return (begins(day) && minute >= start) || (begins(dayBefore) && minute < end)
}
