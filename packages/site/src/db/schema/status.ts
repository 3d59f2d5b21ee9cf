/** Status messages of the devices, each once. */
import type { DeviceId } from '@sluice/protocol'

export interface StatusTables {
  status_messages: {
    /** Rises in the order in which messages become visible. */
    cursor: number
    device_id: DeviceId
    /** With `device_id` and `seq` unique. */
    boot_id: string
    seq: number
    received_at: number
    /** `StatusMessage` as JSON. */
    message: string
  }
}
