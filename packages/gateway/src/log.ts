/** The gateway's log: lines as every part writes them. The message is a short name that does not change, as in `link.up`. */
export { createLog, type Log, type LogFields, silentLog } from '@sluice/protocol'

/** The text of whatever was thrown. */
export const reason = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))
