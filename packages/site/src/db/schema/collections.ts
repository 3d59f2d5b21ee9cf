/** Collections, their direct members, and the variables of collections and single devices. */
import type { CollectionId, DeviceId } from '@sluice/protocol'
import type { ColumnType } from 'kysely'

export interface CollectionsTables {
  collections: {
    id: CollectionId
    /** Unique. */
    name: string
    created_at: number
    /** 1 to 9; of several collections that set a variable, the highest counts. */
    variable_priority: ColumnType<number, number | undefined>
  }
  collection_members: { collection_id: CollectionId; device_id: DeviceId }
  /** Of a collection or of a device: one of the two is null. */
  variables: {
    collection_id: CollectionId | null
    device_id: DeviceId | null
    /** The name in lower case, unique for its owner. */
    key: string
    name: string
    /** Null where it is masked. */
    value: string | null
    /** By the vault, for the owner and the key; null where it is not masked. */
    sealed: string | null
    changed_at: number
  }
}
