export { type CatalogueLife as OnlineRole, catalogueBins as bins, catalogueLives as lives } from '@sluice/protocol'

/** How often to look whether something must be renewed: the timestamp, every hour. */
export const RENEWAL_INTERVAL_MS = 3600_000 / 2

/** Nobody asks for metadata that was superseded longer ago than a timestamp lives. Twice that is kept. */
export const SUPERSEDED_KEPT_MS = 2 * 24 * 3600_000
