/**
 * The log of a process: one JSON object a line, whatever the text in it, so that one reader serves all
 * parts. Nobody puts a secret, a token or a signed address into `fields`.
 */
export type LogFields = Record<string, unknown>

export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
}

/** @param write takes one line without its end; @param now milliseconds since 1970 */
export function createLog(write: (line: string) => void, now: () => number = Date.now): Log {
  const at = (level: string) => (message: string, fields?: LogFields) =>
    write(printable(JSON.stringify({ at: new Date(now()).toISOString(), level, message, ...fields }, plain)))
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

export const silentLog: Log = createLog(() => {})

/** Errors have no enumerable fields; their text and their cause are what a reader needs. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error)
    return {
      name: value.name,
      message: value.message,
      stack: value.stack,
      ...(value.cause === undefined ? {} : { cause: value.cause }),
    }
  return typeof value === 'bigint' ? value.toString() : value
}

/** JSON escapes C0 only; DEL, C1 and the bidirectional marks could still act on a terminal (SEC-62). */
function printable(line: string): string {
  return line.replace(
    /[\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
