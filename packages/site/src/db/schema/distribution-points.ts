/** Cloud distribution points, what lies there, groups of points, and who works on what. */
import type {
  CloudPointId,
  ContentId,
  DeviceId,
  DistributionPointId,
  ObjectKind,
  PackageId,
  PointGroupId,
  Sha256,
} from '@sluice/protocol'

export interface DistributionPointsTables {
  /** Credentials are in `site_credentials`, sealed. */
  cloud_points: {
    id: CloudPointId
    /** Unique. */
    name: string
    kind: 'azureBlob' | 's3'
    /** Of the container or bucket, with the prefix. */
    address: string
    service: 'direct' | 'relayed'
    /** Where signed addresses lead. */
    origin: string
    created_at: number
  }
  /** What lies at a cloud distribution point. */
  point_objects: {
    point_id: CloudPointId
    kind: ObjectKind
    hash: Sha256
    size_bytes: number
    /** `removing`: not to be counted on, and not to be stored again before it is gone. */
    state: 'present' | 'removing'
    /** When it was stored, or last read and found right. */
    verified_at: number
  }
  /** Who does a piece of work now, among several processes of the site. */
  leases: {
    name: string
    owner: string
    /** Rises with every owner of every piece. */
    fence: number
    /** The owner is dead when it has not renewed by then. */
    until: number
  }
  /** Devices whose content token covers a content, and how long. */
  content_leases: { content_id: ContentId; device_id: DeviceId; until: number }
  point_groups: { id: PointGroupId; name: string; created_at: number }
  point_group_members: { group_id: PointGroupId; point_id: DistributionPointId }
  /** What goes to every member of a group, also to those that come later. */
  point_group_packages: { group_id: PointGroupId; package_id: PackageId }
}
