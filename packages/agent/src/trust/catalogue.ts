/**
 * The catalogue as this device trusts it: what may ever run (design §5).
 *
 * Owns: the metadata on the device, the bytes of small targets, and the verdict whether something
 * is released. Does not own: what to run (policy), the way to the site (`FetchBytes`).
 *
 *   C1. Trust begins with the root that enrolment pinned by its hash, and with nothing else.
 *   C2. Metadata is verified in a copy and takes the place of the old as a whole.
 *   C3. A target counts only with the name, the hash and the length that policy says and the
 *       catalogue lists.
 *   C4. Bytes are given out only after their length and hash were right, from the disk too.
 *   C5. A newer root that was verified counts even where the rest was not: whoever holds the keys that
 *       it took away may be the reason.
 */
import { createHash } from 'node:crypto'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  CATALOGUE_MODE_FIELD,
  type CatalogueMode,
  type CatalogueReference,
  CatalogueRootFields,
  failed,
  ok,
  POLICY_KEYS_FIELD,
  type PolicyKey,
  problem,
  type Result,
  Sha256,
} from '@sluice/protocol'
import { z } from 'zod'
import { makeFolder, writeDurable } from '../state/durable-file.ts'
import { createMetadataFetcher, type FetchBytes, METADATA_BASE } from './catalogue-fetcher.ts'
import { ListedTarget, openCatalogueFolder } from './catalogue-folder.ts'
import type { EffectiveTime } from './effective-time.ts'
import type { Freshness } from './freshness.ts'
import { createMetadataClient } from './metadata-client.ts'

/** The bound of the route `catalogueTarget`. */
const MAX_TARGET_BYTES = 8 * 1024 * 1024

export interface Catalogue {
  /**
   * Fetches what is new and looks up `names`, so that they are known offline as well. Without them,
   * the names that were known before are looked up again.
   * Problems: `CATALOGUE_REFUSED`, or why the site could not be asked. The old catalogue stays then.
   */
  refresh(names?: readonly string[], signal?: AbortSignal): Promise<Result<Freshness>>
  /** What the catalogue lists under a name; asks the site only for lists that are not here yet. */
  target(name: string, signal?: AbortSignal): Promise<Result<ListedTarget | undefined>>
  /**
   * The bytes that a signed policy refers to, from the disk or the site.
   * Problems: `NOT_RELEASED` (C3), `CATALOGUE_REFUSED` (C4), or why the site could not be asked.
   */
  fetchTarget(reference: CatalogueReference, signal?: AbortSignal): Promise<Result<Uint8Array>>
  /** Forgets the bytes of all other targets. */
  retain(references: readonly Pick<CatalogueReference, 'sha256'>[]): Promise<void>
  freshness(): Freshness | undefined
  /** Keys that may sign policy, by the root that is trusted now. */
  policyKeys(): readonly PolicyKey[]
  /** Whether the site releases by itself, by the same root. */
  mode(): CatalogueMode
}

/**
 * @param folder of its own, below the state folder
 * @param root `SiteTrust.catalogueRoot`; @param rootHash `EnrolmentBundle.catalogueRootHash`
 * @returns `CATALOGUE_REFUSED` when the root is not the pinned one (C1)
 */
export async function openCatalogue(options: {
  folder: string
  root: string
  rootHash: Sha256
  fetch: FetchBytes
  time: EffectiveTime
}): Promise<Result<Catalogue>> {
  const { folder, fetch, time } = options
  const pinned = Buffer.from(options.root)
  if (sha256(pinned) !== options.rootHash)
    return refused('The root that the site gave is not the one that the enrolment file pins.')

  const metadata = await openCatalogueFolder(join(folder, 'metadata'), pinned)
  const targets = join(folder, 'targets')
  await makeFolder(targets)
  let trusted = trustOf(metadata.current() ? await metadata.read('root.json') : pinned)
  let queue: Promise<unknown> = Promise.resolve()

  /** One at a time: each starts from the generation that the one before left. */
  function update(
    names: () => readonly string[],
    remote: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Result<Freshness>> {
    const done = queue.then(() => updateNow(names(), remote, signal))
    queue = done.catch(() => {})
    return done
  }

  async function updateNow(
    names: readonly string[],
    remote: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Result<Freshness>> {
    const fetcher = createMetadataFetcher(fetch, signal)
    const scratch = await metadata.scratch()
    try {
      // A look-up believes the timestamp that is here until it expires; a refresh asks for a newer one.
      const client = createMetadataClient({
        folder: scratch,
        baseUrl: METADATA_BASE,
        fetcher,
        remote,
        now: time.now, // the clock can be turned back
      })
      const expiresAt = await client.refresh()
      const listed: Record<string, ListedTarget> = {}
      for (const name of names) {
        const found = await client.find(name)
        const target = ListedTarget.safeParse({ sha256: found?.hashes?.sha256, lengthBytes: found?.length })
        if (target.success) listed[name] = target.data
      }
      const nextTrust = trustOf(await readFile(join(scratch, 'root.json')))
      const before = metadata.current()
      const freshAt = remote || before === undefined ? time.now() : before.freshAt
      await metadata.publish(scratch, { freshAt, expiresAt, targets: listed }) // C2
      trusted = nextTrust
      return ok({ freshAt, expiresAt })
    } catch (error) {
      await keepRoot(scratch)
      signal?.throwIfAborted()
      const obstacle = fetcher.obstacle()
      return obstacle === undefined ? refused(error instanceof Error ? error.message : String(error)) : failed(obstacle)
    } finally {
      await metadata.sweep()
    }
  }

  /** C5 */
  async function keepRoot(scratch: string): Promise<void> {
    const before = metadata.current()
    const root = await readFile(join(scratch, 'root.json'))
    if (before === undefined || root.equals(await metadata.read('root.json'))) return
    const nextTrust = Root.safeParse(JSON.parse(root.toString()))
    if (!nextTrust.success) return
    const copy = await metadata.scratch()
    await writeFile(join(copy, 'root.json'), root)
    await metadata.publish(copy, before)
    trusted = nextTrust.data.signed
  }

  const known = (): string[] => Object.keys(metadata.current()?.targets ?? {})
  const listed = (name: string): ListedTarget | undefined => {
    const all = metadata.current()?.targets ?? {}
    return Object.hasOwn(all, name) ? all[name] : undefined
  }

  async function target(name: string, signal?: AbortSignal): Promise<Result<ListedTarget | undefined>> {
    const here = listed(name)
    if (here !== undefined) return ok(here)
    const updated = await update(() => [...known(), name], false, signal)
    return updated.ok ? ok(listed(name)) : updated
  }

  return ok({
    refresh: (names, signal) => update(() => names ?? known(), true, signal),
    target,
    async fetchTarget(reference, signal) {
      const { target: name, sha256: hash, lengthBytes } = reference
      const found = await target(name, signal)
      if (!found.ok) return found
      // C3
      if (found.value === undefined) return notReleased(`The catalogue does not list ${name}.`)
      if (found.value.sha256 !== hash || found.value.lengthBytes !== lengthBytes)
        return notReleased(`The catalogue lists ${name} with other bytes than the policy.`)
      if (lengthBytes > MAX_TARGET_BYTES) return refused(`${name} is longer than ${MAX_TARGET_BYTES} bytes.`)
      const path = join(targets, hash)
      const kept = await readFile(path).catch(absent)
      if (kept !== undefined && isRight(kept, reference)) return ok(kept)
      const options = { maxBytes: lengthBytes, ...(signal === undefined ? {} : { signal }) }
      const fetched = await fetch('catalogueTarget', { sha256: hash }, options)
      if (!fetched.ok) return fetched
      if (!isRight(fetched.value, reference)) return refused(`The bytes of ${name} are not the ones that are signed.`) // C4
      await writeDurable(path, fetched.value)
      return fetched
    },
    async retain(references) {
      const keep = new Set<string>(references.map((reference) => reference.sha256))
      for (const name of await readdir(targets)) if (!keep.has(name)) await rm(join(targets, name), { force: true })
    },
    freshness() {
      const current = metadata.current()
      return current && { freshAt: current.freshAt, expiresAt: current.expiresAt }
    },
    policyKeys: () => trusted[POLICY_KEYS_FIELD],
    mode: () => trusted[CATALOGUE_MODE_FIELD],
  })
}

const refused = (detail: string) => failed(problem('CATALOGUE_REFUSED', detail))
const notReleased = (detail: string) => failed(problem('NOT_RELEASED', detail))
const sha256 = (bytes: Uint8Array): Sha256 => Sha256.parse(createHash('sha256').update(bytes).digest('hex'))
const isRight = (bytes: Uint8Array, reference: CatalogueReference) =>
  bytes.length === reference.lengthBytes && sha256(bytes) === reference.sha256

const Root = z.object({ signed: CatalogueRootFields })
const trustOf = (root: Buffer) => Root.parse(JSON.parse(root.toString())).signed

function absent(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}
