/** The agent's own log; what happens inside a run is in `smsts.log`: lines as every part writes them. */
export { createLog, type Log, type LogFields, silentLog } from '@sluice/protocol'
