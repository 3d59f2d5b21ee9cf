/** The site's log: lines as every part writes them. */
export { createLog, type Log, type LogFields, silentLog } from '@sluice/protocol'
