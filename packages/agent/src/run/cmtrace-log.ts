/**
 * `smsts.log` in the line format that CMTrace reads (configmgr-behaviour §7.7). Agent and runner
 * append to the same file, each batch by one write at the end of the file; only the agent rotates.
 */
import { appendFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

export interface LogEntry {
  text: string
  /** Part of the product that speaks, as in `TSManager`. */
  component: string
  level: 'info' | 'warning' | 'error'
}

export interface TraceLog {
  write(...entries: LogEntry[]): void
}

/** Shorter values are no secrets, and masking them would make the log unreadable. */
const SHORTEST_MASKED = 3

/** Begins a file: without it CMTrace takes UTF-8 for the code page of the system (task-sequence-xml §8). */
const BYTE_ORDER_MARK = '\ufeff'

const TYPES = { info: 1, warning: 2, error: 3 } as const

/**
 * @param options.path file that is appended to, made when missing, for its owner only
 * @param options.masked texts that are replaced by asterisks, read at each write
 * @param options.now milliseconds since 1970; for the stamp of each line
 */
export function createTraceLog(options: {
  path: string
  masked: () => readonly string[]
  now: () => number
}): TraceLog {
  return {
    write(...entries) {
      if (entries.length === 0) return
      const at = new Date(options.now())
      const masked = options.masked()
      const lines = entries.map((entry) => traceLine({ ...entry, text: mask(entry.text, masked) }, at))
      const mark = statSync(options.path, { throwIfNoEntry: false }) === undefined ? BYTE_ORDER_MARK : ''
      appendFileSync(options.path, `${mark}${lines.join('\n')}\n`, { mode: 0o600 })
    },
  }
}

/** One record. Line breaks stay; whatever could end the record early or drive a terminal does not. */
export function traceLine(entry: LogEntry, at: Date): string {
  const text = entry.text
    .replaceAll(']LOG]!>', ']LOG]! >')
    .replaceAll(/[^\P{Cc}\n\t]/gu, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, '0')}`)
  const two = (n: number) => String(n).padStart(2, '0')
  // Minutes to add to local time to get UTC, with a sign.
  const offset = at.getTimezoneOffset()
  const bias = offset === 0 ? '+000' : `${offset > 0 ? '+' : ''}${offset}`
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}.${String(at.getMilliseconds()).padStart(3, '0')}${bias}`
  const date = `${two(at.getMonth() + 1)}-${two(at.getDate())}-${at.getFullYear()}`
  return `<![LOG[${text}]LOG]!><time="${time}" date="${date}" component="${entry.component}" context="" type="${TYPES[entry.level]}" thread="${process.pid}" file="">`
}

/** Replaces every masked text, longest first so that no part of one stays. */
export function mask(text: string, masked: readonly string[]): string {
  let out = text
  for (const secret of [...masked].sort((a, b) => b.length - a.length)) {
    if (secret.length >= SHORTEST_MASKED) out = out.replaceAll(secret, '*****')
  }
  return out
}

/**
 * Puts a log that has grown beyond `maxBytes` aside under a dated name, and keeps the newest `history`
 * of those. Called by the agent between steps.
 */
export function rotateTraceLog(path: string, limits: { maxBytes: number; history: number }, now: Date): void {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size <= limits.maxBytes) return
  const stem = basename(path, '.log')
  const stamp = now.toISOString().replaceAll(/[-:.]/g, '').replace('T', '-').slice(0, 18)
  renameSync(path, join(dirname(path), `${stem}-${stamp}.log`))
  const old = readdirSync(dirname(path))
    .filter((name) => name.startsWith(`${stem}-`) && name.endsWith('.log'))
    .sort()
  for (const name of old.slice(0, Math.max(0, old.length - limits.history))) rmSync(join(dirname(path), name))
}
