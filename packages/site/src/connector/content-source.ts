/**
 * What the connector needs of the content library, in its own words; the content area implements
 * it. Objects are named by the hash of their sealed bytes: neither the connector nor a gateway can
 * open them.
 */
import type { Readable } from 'node:stream'
import type { ByteRange } from '@sluice/content'
import type {
  ContentId,
  ContentReport,
  GatewayContent,
  GatewayId,
  ObjectKind,
  Result,
  Sha256,
  StoredObject,
} from '@sluice/protocol'

export interface ContentSource {
  /** All that this gateway shall hold; `removing` is not in it. */
  gatewayContents(gatewayId: GatewayId): Promise<GatewayContent[]>
  /** Every pack and page of one content: sealed pages of manifest and layout, the sealed layout root, packs. `NOT_FOUND`. */
  contentObjects(contentId: ContentId): Promise<Result<StoredObject[]>>
  /** Streams an object or a half-open range of it; `PACK_GONE`. `totalBytes` is the size of the whole object. */
  openObject(kind: ObjectKind, hash: Sha256, range?: ByteRange): Promise<Result<{ body: Readable; totalBytes: number }>>
  /** How far a gateway is with one content. A report for an older revision, or for a content it no longer holds, changes nothing. */
  contentReport(gatewayId: GatewayId, report: ContentReport): Promise<void>
}
