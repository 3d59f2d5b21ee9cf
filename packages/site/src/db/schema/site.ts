/** The site itself: who it is, its settings, its counters. */
import type { SiteId } from '@sluice/protocol'

export interface SiteTables {
  /** One row. */
  site: { id: SiteId; created_at: number }
  /** One row, `key` = 1. */
  client_settings: {
    key: 1
    /** Rises with every change. */
    revision: number
    /** `ClientSettings` as JSON. */
    document: string
  }
  /** Numbers that only rise, handed out under the row's lock: see `nextNumbers`. */
  counters: { name: string; value: number }
}
