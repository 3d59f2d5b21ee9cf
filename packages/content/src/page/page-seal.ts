/**
 * How pages and layout roots are sealed before they go to storage.
 *
 *     'SLPG', version 1, kind, method, 0, plain bytes (u32 LE), id (32)   44 bytes, authenticated
 *     AES-256-GCM of the body, tag of 16 bytes
 *
 * 1. Deterministic: the same page of the same package is the same object, so it is stored, pulled
 *    and fetched once however many versions have it.
 * 2. The id is HMAC(package key, kind and body): it says nothing to whoever lacks the key, and the
 *    page's own key HKDF(package key, id) never seals two bodies, hence the fixed nonce. (The plain
 *    hash would not do: two versions of zstd may give one page two bodies.)
 */
import { createHmac } from 'node:crypto'
import type { Sha256 } from '@sluice/protocol'
import { compress, decompress } from '../pack/compression.ts'
import { deriveKey, open, seal, TAG_BYTES } from '../pack/gcm.ts'
import { sha256 } from '../pack/hash.ts'

export const PageKind = { manifest: 1, layout: 2, layoutRoot: 3 } as const
export type PageKind = (typeof PageKind)[keyof typeof PageKind]

const MAGIC = 'SLPG'
const VERSION = 1
const HEADER_BYTES = 44
const ZSTD_LEVEL = 9

export interface SealedPage {
  /** The object's name: SHA-256 of the sealed bytes. */
  hash: Sha256
  bytes: Buffer
}

export async function sealPage(kind: PageKind, plain: Uint8Array, packageKey: Uint8Array): Promise<SealedPage> {
  const { method, body } = await compress(plain, ZSTD_LEVEL)
  const header = Buffer.alloc(HEADER_BYTES)
  header.write(MAGIC, 'latin1')
  header.set([VERSION, kind, method], 4)
  header.writeUInt32LE(plain.length, 8)
  createHmac('sha256', deriveKey(packageKey, Buffer.alloc(0), 'sluice page id 1'))
    .update(header.subarray(0, 12))
    .update(body)
    .digest()
    .copy(header, 12)
  const bytes = seal(pageKey(packageKey, header), header, body)
  return { hash: sha256(bytes), bytes }
}

const pageKey = (packageKey: Uint8Array, header: Uint8Array): Uint8Array =>
  deriveKey(packageKey, header.subarray(12, HEADER_BYTES), 'sluice page 1')

/**
 * The plain bytes of a sealed page, or what is wrong with it.
 * @param maxBytes largest plain size that is accepted
 */
export function openPage(
  kind: PageKind,
  sealed: Uint8Array,
  packageKey: Uint8Array,
  maxBytes: number,
): { plain: Uint8Array } | { fault: string } {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed.length > HEADER_BYTES + maxBytes + TAG_BYTES)
    return { fault: `${sealed.length} bytes cannot be a sealed page` }
  const header = Buffer.from(sealed.buffer, sealed.byteOffset, HEADER_BYTES)
  if (header.toString('latin1', 0, 4) !== MAGIC || header[4] !== VERSION)
    return { fault: 'it does not begin like a sealed page of version 1' }
  if (header[5] !== kind) return { fault: 'it is a page of another kind' }
  const plainBytes = header.readUInt32LE(8)
  if (plainBytes > maxBytes) return { fault: `it claims ${plainBytes} plain bytes` }
  const body = open(pageKey(packageKey, header), sealed, HEADER_BYTES)
  if (body === undefined) return { fault: 'its seal does not fit: a byte was changed, or it is of another package' }
  const plain = decompress(header[6] ?? 0, body, plainBytes)
  return plain === undefined ? { fault: 'it cannot be decompressed to the size it claims' } : { plain }
}
