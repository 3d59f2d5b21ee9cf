/** The content library: packages and their versions, packs and chunks, where content is, and import jobs. */
import type {
  ContentId,
  ContentTarget,
  DeviceId,
  DistributionPointId,
  DistributionState,
  JobId,
  ObjectKind,
  PackageId,
  PackageKind,
  Sha256,
} from '@sluice/protocol'
import type { Generated } from 'kysely'
import type { z } from 'zod'
import type { Flag } from '../types.ts'

export interface ContentTables {
  packages: {
    id: PackageId
    name: string
    kind: PackageKind
    target: ContentTarget
    /** 32 bytes that seal its pages; leaves the site only sealed to a device. */
    package_key: Uint8Array
    /** Newest released version; 0 before the first. */
    version: number
    created_at: number
    /** The id is not given again. */
    deleted_at: Generated<number | null>
    /** The highest version that was deleted; its number is not given again. */
    last_deleted: Generated<number>
  }
  package_options: {
    package_id: PackageId
    persist: Flag
    /** `PreCacheTags` as JSON. */
    pre_cache: string
  }
  package_labels: { package_id: PackageId; name: string; value: string }
  package_versions: {
    package_id: PackageId
    version: number
    /** Unique. */
    content_id: ContentId
    /** The manifest root, byte for byte as it is released. */
    root: Uint8Array
    /** The sealed layout root. */
    layout_hash: Sha256
    layout_bytes: number
    /** Rises when the layout changes. */
    layout_revision: number
    stored_bytes: number
    /** Of `version_objects`. */
    object_count: number
    object_bytes: number
    file_count: number
    total_bytes: number
    /** Texts as a JSON array. */
    losses: string
    imported_at: number
    /** In the catalogue; until then nobody is told of it. */
    released: Flag
    /** Nobody new may have it; it stays until nobody has. */
    deleted_at: Generated<number | null>
  }
  /** What a distribution point must hold for a version. */
  version_objects: { content_id: ContentId; kind: ObjectKind; hash: Sha256; size_bytes: number }
  packs: {
    /** Stands for the pack in `chunks`. */
    number: number
    /** Unique. */
    hash: Sha256
    size_bytes: number
    salt: Uint8Array
    created_at: number
    /** Sealed bytes of the frames that versions need; null when that is to be counted again. */
    live_bytes: Generated<number | null>
    /** It holds what lived in packs that were rewritten. */
    rewritten: Generated<Flag>
  }
  /** Versions whose bytes lie in other packs soon (`rewriting/moves.ts`). */
  layout_moves: {
    content_id: ContentId
    /** The next sealed layout root. */
    layout_hash: Sha256
    layout_bytes: number
    /** With the next layout. */
    stored_bytes: number
    state: 'bringing' | 'both' | 'switched'
    /** When it came into this state. */
    changed_at: number
  }
  /** What the cache of a device holds whole, as it said last. */
  device_contents: { device_id: DeviceId; content_id: ContentId }
  /** What a distribution point must hold for the next layout. */
  next_objects: { content_id: ContentId; kind: ObjectKind; hash: Sha256; size_bytes: number }
  /** Gateways that hold all objects of a next layout. */
  layout_arrivals: { layout_hash: Sha256; point_id: DistributionPointId }
  /** Where each chunk lies; one row for each place. */
  chunks: {
    /** 32 bytes. */
    id: Uint8Array
    pack: number
    size_bytes: number
    frame_offset: number
    frame_bytes: number
    /** 32 bytes; null when the frame is exactly this chunk. */
    frame_hash: Uint8Array | null
    offset_in_frame: number
  }
  /** What nothing refers to any more: deleted from the library after a while. */
  condemned_objects: {
    kind: ObjectKind
    hash: Sha256
    size_bytes: number
    condemned_at: number
    /** `deleting`: it may be gone already; no import runs meanwhile. */
    state: 'condemned' | 'deleting'
  }
  distributions: {
    package_id: PackageId
    point_id: DistributionPointId
    version: number
    content_id: ContentId
    state: z.output<typeof DistributionState>
    present_bytes: number
    total_bytes: number
    /** Failures since the order. */
    attempts: number
    /** `Problem` as JSON. */
    problem: string | null
    changed_at: number
    /** When a newer version was whole at the point: this one stays a while for running sequences. */
    superseded_at: number | null
    /** Cloud: an order to verify; what was verified before it does not answer it. */
    verify_since: number | null
    /** Cloud: not to be tried again before. */
    next_try_at: number | null
  }
  jobs: {
    id: JobId
    kind: 'import'
    state: 'waiting' | 'running' | 'succeeded' | 'failed'
    package_id: PackageId
    /** Or an archive. */
    folder: string
    /** Files that look as they did are read too. */
    read_all: Flag
    /** Paths that Windows programs may not open are refused. */
    refuse_long_paths: Generated<Flag>
    /** Chosen when the job first runs. */
    version: number | null
    done_bytes: number
    total_bytes: number
    /** `Problem` as JSON. */
    problem: string | null
    created_at: number
    changed_at: number
    /** Whose the running job is, and until when unless renewed. */
    lease_owner: string | null
    lease_until: number | null
  }
}
