/** Lets the TUF client read metadata through the gateway, bounded, and keeps apart what failed on the way. */
import type { Problem, Result } from '@sluice/protocol'
import type { Fetcher } from 'tuf-js'
import { DownloadHTTPError } from 'tuf-js/dist/error.js'

/**
 * GETs the bytes of a device route: `{ file }` of `catalogueMetadata`, `{ sha256 }` of
 * `catalogueTarget`. At most `maxBytes` are read (SEC-35). `NOT_FOUND` where there is nothing.
 */
export type FetchBytes = (
  route: 'catalogueMetadata' | 'catalogueTarget',
  parameters: Record<string, string>,
  options: { maxBytes: number; signal?: AbortSignal },
) => Promise<Result<Uint8Array>>

/** Stands before file names because the client wants addresses; nobody is ever asked for it. */
export const METADATA_BASE = 'https://catalogue.invalid/'

export interface MetadataFetcher extends Fetcher {
  /** Why the last file did not come, when that says nothing about the catalogue itself. */
  obstacle(): Problem | undefined
}

export function createMetadataFetcher(fetch: FetchBytes, signal: AbortSignal | undefined): MetadataFetcher {
  let obstacle: Problem | undefined
  return {
    obstacle: () => obstacle,
    async downloadBytes(url, maxLength) {
      const file = url.slice(METADATA_BASE.length)
      const fetched = await fetch(
        'catalogueMetadata',
        { file },
        { maxBytes: maxLength, ...(signal === undefined ? {} : { signal }) },
      )
      if (fetched.ok) {
        if (fetched.value.length > maxLength) throw new Error(`${file} is longer than ${maxLength} bytes`)
        return Buffer.from(fetched.value)
      }
      // TUF 1.0, 5.3.9: a root that is not there ends the walk through the roots.
      if (fetched.problem.code === 'NOT_FOUND') throw new DownloadHTTPError(`there is no ${file}`, 404)
      obstacle = fetched.problem
      throw new Error(fetched.problem.detail)
    },
    async downloadFile() {
      throw new Error('targets are fetched by their hash, not by the TUF client')
    },
  }
}
