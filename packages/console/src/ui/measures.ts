/** Numbers, sizes, rates and times in the reader's language, by `Intl`. Sizes are decimal: 1 MB = 1,000,000 bytes. */

export interface Measures {
  /** As in `16.8 MB`. */
  bytes(sizeBytes: number): string
  /** As in `3.2 MB/s`. */
  rate(bytesPerSecond: number): string
  /** As in `0.4 s`, `2 min 5 s`. */
  duration(ms: number): string
  /** As in `45 minutes`: for a time that somebody estimated. */
  minutes(minutes: number): string
  /** As in `21 Nov 2026, 17:00`, in the time zone of the device. */
  dateTime(iso: string): string
  number(value: number): string
  /** 0 to 1, as in `42%`. */
  percent(fraction: number): string
}

const SIZE_UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'] as const

/** @param locale a language tag, such as `de` or `en-GB`. */
export function createMeasures(locale: string): Measures {
  const number = new Intl.NumberFormat(locale)
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 0 })
  const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  const unit = (value: number, name: string, digits = 0, unitDisplay: 'short' | 'long' = 'short') =>
    new Intl.NumberFormat(locale, {
      style: 'unit',
      unit: name,
      unitDisplay,
      minimumFractionDigits: digits,
      maximumFractionDigits: digits,
    }).format(value)
  const joined = (parts: string[]) => new Intl.ListFormat(locale, { type: 'unit', style: 'narrow' }).format(parts)

  function sized(sizeBytes: number, suffix: '' | '-per-second'): string {
    let power = 0
    while (power < SIZE_UNITS.length - 1 && sizeBytes >= 1000 ** (power + 1) * 0.9995) power++
    const value = sizeBytes / 1000 ** power
    return unit(value, `${SIZE_UNITS[power]}${suffix}`, power >= 2 && value < 100 ? 1 : 0)
  }

  return {
    bytes: (sizeBytes) => sized(sizeBytes, ''),
    rate: (bytesPerSecond) => sized(bytesPerSecond, '-per-second'),
    duration(ms) {
      if (ms < 9950) return unit(ms / 1000, 'second', 1)
      const seconds = Math.round(ms / 1000)
      if (seconds < 60) return unit(seconds, 'second')
      const minutes = Math.floor(seconds / 60)
      if (minutes < 60) return joined([unit(minutes, 'minute'), unit(seconds % 60, 'second')])
      return joined([unit(Math.floor(minutes / 60), 'hour'), unit(minutes % 60, 'minute')])
    },
    minutes: (minutes) =>
      minutes < 120
        ? unit(minutes, 'minute', 0, 'long')
        : joined([
            unit(Math.floor(minutes / 60), 'hour', 0, 'long'),
            ...(minutes % 60 === 0 ? [] : [unit(minutes % 60, 'minute', 0, 'long')]),
          ]),
    dateTime: (iso) => dateTime.format(new Date(iso)),
    number: (value) => number.format(value),
    percent: (fraction) => percent.format(fraction),
  }
}
