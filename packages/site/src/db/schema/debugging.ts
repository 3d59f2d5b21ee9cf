/** The debugger of runs that go on; a row goes when its run has ended. */
import type { DeviceId, RunId } from '@sluice/protocol'

export interface DebuggingTables {
  run_debugging: {
    run_id: RunId
    device_id: DeviceId
    /** Number of the last order that was given. */
    last_order: number
    /** `{n, order}` as a JSON array: what the device has not obeyed yet. */
    orders: string
    /** `DebugState` as JSON: what the device said last. */
    state: string | null
    state_at: number | null
  }
}
