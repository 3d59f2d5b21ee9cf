/** What the gateway says about itself: one JSON object a line. Never a token, never a signed address. */
import type { Writable } from 'node:stream'

export type LogFields = Record<string, string | number | boolean | undefined>

/** @param event a short name that does not change, as in `link.up`; the details are fields. */
export type Log = (level: 'info' | 'warn' | 'error', event: string, fields?: LogFields) => void

export function jsonLog(out: Writable): Log {
  return (level, event, fields) => {
    out.write(`${JSON.stringify({ at: new Date().toISOString(), level, part: 'gateway', event, ...fields })}\n`)
  }
}

/** The text of whatever was thrown. */
export const reason = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
