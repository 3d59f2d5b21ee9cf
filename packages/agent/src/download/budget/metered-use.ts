/**
 * Bytes of content that came over metered lines, by the device's own days. Written every MiB or second: a kill
 * costs the count of at most that.
 */
import type { MeteredInternetSettings } from '@sluice/protocol'
import type { State } from '../../state/state.ts'

export interface MeteredUse {
  /** @param now milliseconds since 1970 */
  add(bytes: number, now: number): void
  /** Bytes of the present day or month. */
  used(per: MeteredInternetSettings['budgetPer'], now: number): number
  /** Writes what is not written yet. */
  flush(): void
}

const WRITE_BYTES = 1024 * 1024
const WRITE_MS = 1_000
/** Days that are remembered; a month has 31 at most. */
const KEPT_DAYS = 40

export function createMeteredUse({ db }: Pick<State, 'db'>): MeteredUse {
  const add = db.prepare(
    'INSERT INTO metered_use (day, bytes) VALUES (?, ?) ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes',
  )
  const sum = db.prepare('SELECT coalesce(sum(bytes), 0) AS bytes FROM metered_use WHERE day >= ? AND day <= ?')
  const forget = db.prepare(
    'DELETE FROM metered_use WHERE day NOT IN (SELECT day FROM metered_use ORDER BY day DESC LIMIT ?)',
  )
  let pending = { day: '', bytes: 0 }
  let writtenAt = 0
  /** What is written of the period that was asked for last. */
  let known: { from: string; to: string; bytes: number } | undefined

  const flush = () => {
    if (pending.bytes > 0) {
      add.run(pending.day, pending.bytes)
      forget.run(KEPT_DAYS)
    }
    pending = { day: '', bytes: 0 }
    known = undefined
  }
  return {
    flush,
    add(bytes, now) {
      const day = dayOf(now)
      if (day !== pending.day) flush()
      pending = { day, bytes: pending.bytes + bytes }
      if (pending.bytes < WRITE_BYTES && now - writtenAt < WRITE_MS) return
      writtenAt = now
      flush()
    },
    used(per, now) {
      const to = dayOf(now)
      const from = per === 'day' ? to : `${to.slice(0, 8)}01`
      if (known?.from !== from || known.to !== to) known = { from, to, bytes: Number(sum.get(from, to)?.bytes) }
      return known.bytes + (pending.day >= from && pending.day <= to ? pending.bytes : 0)
    },
  }
}

/** `2026-11-20`, by the device's own clock. */
function dayOf(now: number): string {
  const date = new Date(now)
  const two = (number: number) => String(number).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}
