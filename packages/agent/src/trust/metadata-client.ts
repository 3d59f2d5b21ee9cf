/**
 * TUF's client workflow in one folder of metadata (TUF 1.0, section 5), with the bounds of this
 * product. The agent runs it in a copy (`catalogue.ts`), the conformance driver in place: the same code.
 *
 *   M1. A file is in the folder only after it was verified against the root that is trusted there.
 *   M2. Nothing is believed whose timestamp has expired by `now`, whatever the clock of the system says.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Fetcher, type TargetFile, Updater } from 'tuf-js'
import { z } from 'zod'

/** Bounds of the TUF client (security-reliability §3.3); a target's is that of the route. */
const LIMITS = {
  maxRootRotations: 256,
  maxDelegations: 32,
  rootMaxLength: 512_000,
  timestampMaxLength: 16_384,
  snapshotMaxLength: 2_000_000,
  targetsMaxLength: 5_000_000,
}

export interface MetadataClient {
  /**
   * Brings the top-level metadata up to date. What was verified before a failure stays in the folder.
   * @returns when the timestamp expires, milliseconds since 1970
   * @throws what was wrong, or what the fetcher threw
   */
  refresh(): Promise<number>
  /** What the catalogue lists under a name; fetches the lists that it needs. Call `refresh` before. */
  find(name: string): Promise<TargetFile | undefined>
}

/**
 * @param folder holds at least the trusted `root.json`
 * @param remote ask for newer metadata; otherwise the timestamp that is here is believed until it expires
 * @param now milliseconds since 1970
 */
export function createMetadataClient(options: {
  folder: string
  baseUrl: string
  fetcher: Fetcher
  remote: boolean
  now: () => number
}): MetadataClient {
  const { folder, baseUrl, fetcher, remote, now } = options
  const updater = new Updater({
    metadataDir: folder,
    metadataBaseUrl: baseUrl,
    fetcher,
    forceCache: !remote,
    config: LIMITS,
  })
  return {
    async refresh() {
      await updater.refresh()
      const expiresAt = await expiryOf(join(folder, 'timestamp.json'))
      if (expiresAt <= now()) throw new Error('The timestamp of the catalogue has expired.') // M2
      return expiresAt
    },
    find: (name) => updater.getTargetInfo(name),
  }
}

const Expiring = z.object({ signed: z.object({ expires: z.string() }) })
async function expiryOf(path: string): Promise<number> {
  return Date.parse(Expiring.parse(JSON.parse(await readFile(path, 'utf8'))).signed.expires)
}
