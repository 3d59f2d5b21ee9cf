/** Collections and their direct members. */
import type { CollectionId, DeviceId } from '@sluice/protocol'

export interface CollectionsTables {
  collections: { id: CollectionId /** Unique. */; name: string; created_at: number }
  collection_members: { collection_id: CollectionId; device_id: DeviceId }
}
