import type { Result } from '@sluice/protocol'
import type { ObjectName, Store } from './store.ts'

/** An address that opens one object to whoever has it, until `expiresAtMs` (milliseconds since 1970). */
export interface SignedUrl {
  url: string
  expiresAtMs: number
}

/**
 * A store that devices can be sent to. Where the storage itself does not answer as it must, `put`
 * and `get` give `STORAGE_REFUSED` (credentials, permissions, a bucket that does not exist) or
 * `STORAGE_UNAVAILABLE`; `has`, `list` and `delete` throw them as a `ProblemError`.
 */
export interface CloudStore extends Store {
  /**
   * Signs a GET of one object, ranges included. Does not ask whether the object is there.
   * `STORAGE_CANNOT_SIGN` when the store was opened with credentials that can sign nothing.
   */
  signedUrl(name: ObjectName, lifeMs: number): Promise<Result<SignedUrl>>
}

/** How an upload is cut and how patient it is. What it holds in memory is at most `partBytes` × (`parallel` + 1). */
export interface UploadOptions {
  /** Bytes of a part; S3 refuses parts under 5 MiB. */
  partBytes?: number
  /** Parts under way at once. */
  parallel?: number
  /** How long to wait, in milliseconds, before a request is tried again; longer each time. */
  firstPauseMs?: number
}

const folders = { pack: 'packs', page: 'pages' } as const

/** Where an object lies in a bucket or container: `<prefix>packs/<hash>`. */
export const objectKey = (prefix: string, name: ObjectName): string => `${prefix}${folders[name.kind]}/${name.hash}`

/** The part of `objectKey` before the hash. */
export const kindPrefix = (prefix: string, kind: ObjectName['kind']): string => `${prefix}${folders[kind]}/`
