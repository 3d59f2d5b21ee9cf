/**
 * The time zone as `_SMSTSTimezone` says it (configmgr-behaviour §3.12 A): bias, standard bias and daylight
 * bias in minutes, the day of each change as the eight fields of Windows' SYSTEMTIME, and both names.
 */
const DAY_MS = 86_400_000

/** @param zone of the IANA; the computer's own by default */
export function timeZoneText(atMs: number, zone = Intl.DateTimeFormat().resolvedOptions().timeZone): string {
  const key = `${zone} ${new Date(atMs).getUTCFullYear()}`
  const text = told.get(key) ?? describe(atMs, zone)
  told.set(key, text)
  return text
}

/** A year is looked through once. */
const told = new Map<string, string>()

function describe(atMs: number, zone: string): string {
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  /** Minutes to add to local time, as Windows counts. */
  const biasAt = (ms: number): number => {
    const text = format.formatToParts(ms).find(({ type }) => type === 'timeZoneName')?.value ?? ''
    const match = /([+-])(\d\d):(\d\d)/.exec(text)
    if (match === null) return 0
    return (match[1] === '+' ? -1 : 1) * (Number(match[2]) * 60 + Number(match[3]))
  }
  const year = new Date(atMs).getUTCFullYear()
  const changes: { ms: number; before: number; after: number }[] = []
  for (let day = Date.UTC(year, 0, 1); day < Date.UTC(year + 1, 0, 1); day += DAY_MS) {
    const [before, after] = [biasAt(day), biasAt(day + DAY_MS)]
    if (before !== after) changes.push({ ms: firstWith(biasAt, after, day, day + DAY_MS), before, after })
  }
  const toStandard = changes.find(({ before, after }) => after > before)
  const toDaylight = changes.find(({ before, after }) => after < before)
  const standard = toStandard?.after ?? biasAt(atMs)
  const daylight = toStandard === undefined || toDaylight === undefined ? 0 : toDaylight.after - standard
  const nameAt = (ms: number): string =>
    new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'long' })
      .formatToParts(ms)
      .find(({ type }) => type === 'timeZoneName')?.value ?? ''
  const dates = daylight === 0 ? [noChange, noChange] : [dateOf(toStandard), dateOf(toDaylight)]
  const names = [nameAt(toStandard?.ms ?? atMs), nameAt(toDaylight?.ms ?? atMs)]
  return [standard, 0, daylight, ...dates, ...names].join(',')
}

const noChange = '0,0,0,0,0,0,0,0'

/** The minute in which a bias begins, between a moment without it and one with it. */
function firstWith(biasAt: (ms: number) => number, bias: number, from: number, to: number): number {
  let [without, having] = [from, to]
  while (having - without > 60_000) {
    const middle = without + Math.floor((having - without) / 120_000) * 60_000
    if (biasAt(middle) === bias) having = middle
    else without = middle
  }
  return having
}

/** Year 0: every year on that weekday of the month; the fifth is the last. The hour is that before the change. */
function dateOf(change: { ms: number; before: number } | undefined): string {
  if (change === undefined) return noChange
  const local = new Date(change.ms - change.before * 60_000)
  const [month, day] = [local.getUTCMonth(), local.getUTCDate()]
  const isLast = day + 7 > new Date(Date.UTC(local.getUTCFullYear(), month + 1, 0)).getUTCDate()
  const week = isLast ? 5 : Math.ceil(day / 7)
  return [0, month + 1, local.getUTCDay(), week, local.getUTCHours(), local.getUTCMinutes(), 0, 0].join(',')
}
