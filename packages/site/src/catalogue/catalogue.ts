/**
 * The catalogue: what may ever run, as a TUF 1.0 repository (design §5).
 *
 * Owns: the metadata that is published, its renewal, the bytes of targets. Does not own: the keys
 * (`keys/`), what is worth releasing (sequences and the content library say so), who is admitted (`devices/`).
 *
 *   C1. A released name means the same bytes for ever; releasing it again with others is refused.
 *   C2. Metadata under a versioned name never changes once it is published.
 *   C3. A publication is one transaction: devices see the old catalogue or the new one, whole.
 *   C4. What devices pinned is never signed by other keys: a keyring that does not fit what is
 *       published keeps the site from starting.
 */
import {
  type CatalogueReference,
  fail,
  POLICY_KEYS_FIELD,
  PolicyKey,
  type Sha256,
  Sha256 as Sha256Schema,
  type SiteId,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { DeviceHandlers } from '../device-plane/handler.ts'
import type { RequireDevice } from '../devices/admission.ts'
import type { Keyring } from '../keys/keyring.ts'
import { binOf, policyKey, sha256 } from './metadata.ts'
import { lockCatalogue, publish } from './publication.ts'

/** What devices accept as a target's length: the bound of the route `catalogueTarget`. */
const MAX_TARGET_BYTES = 8 * 1024 * 1024
const TARGET_NAME = /^[a-z]+(\/[A-Za-z0-9._-]{1,64}){1,3}$/

export interface Release {
  /** As in `sequence/<sequenceId>/<revision>` or `manifest/<packageId>/<version>`. */
  name: string
  bytes: Uint8Array
}

export interface Catalogue {
  /**
   * Releases under names, all or none; what is released already is left as it is.
   * @throws ProblemError `CONFLICT` when a name is released with other bytes (C1)
   */
  releaseAll(releases: readonly Release[]): Promise<CatalogueReference[]>
  release(name: string, bytes: Uint8Array): Promise<CatalogueReference>
  /** What is released under a name. */
  released(name: string): Promise<CatalogueReference | undefined>
  /** Signs again what would expire. Does nothing most of the time. */
  renew(): Promise<void>
  /** Signs everything under new versions: after the database was restored from a backup. */
  republish(): Promise<void>
  /** What an approved device trusts from now on. */
  trust(): SiteTrust
  /** SHA-256 of the first `root.json`, for enrolment bundles. */
  rootHash(): Sha256
  /** The routes of the catalogue, for admitted devices. */
  handlers: Pick<DeviceHandlers, 'catalogueMetadata' | 'catalogueTarget'>
}

/**
 * Opens the catalogue; publishes the first one at the first start.
 * @throws ProblemError `KEYS_MISSING` (C4)
 */
export async function createCatalogue(options: {
  db: Kysely<Database>
  keyring: Keyring
  siteId: SiteId
  clock: Clock
  requireDevice: RequireDevice
}): Promise<Catalogue> {
  const { db, keyring, siteId, clock, requireDevice } = options

  const publication = (touched: ReadonlySet<string>, everything: boolean) =>
    db.transaction().execute(async (trx) => {
      await lockCatalogue(trx)
      await publish(trx, keyring, clock.now(), { touched, everything })
    })

  const pinned = await metadata(db, '1.root.json')
  if (pinned !== undefined) checkKeys(pinned, keyring)
  await publication(new Set(), false)
  const firstRoot = pinned ?? (await metadata(db, '1.root.json'))
  if (firstRoot === undefined) throw new Error('the catalogue has no first root')
  checkKeys(firstRoot, keyring) // another process of the site may have been the first

  async function releaseAll(releases: readonly Release[]): Promise<CatalogueReference[]> {
    const references = releases.map(reference)
    await db.transaction().execute(async (trx) => {
      await lockCatalogue(trx)
      const touched = new Set<string>()
      for (const [i, { target: name, sha256, lengthBytes }] of references.entries()) {
        const known = await trx
          .selectFrom('catalogue_targets')
          .select('sha256')
          .where('name', '=', name)
          .executeTakeFirst()
        if (known?.sha256 === sha256) continue
        if (known !== undefined) fail('CONFLICT', `${name} is released already, with other bytes.`) // C1
        const bytes = releases[i]?.bytes ?? new Uint8Array()
        await trx
          .insertInto('catalogue_blobs')
          .values({ sha256, bytes })
          .onConflict((conflict) => conflict.doNothing())
          .execute()
        const bin = binOf(name)
        await trx
          .insertInto('catalogue_targets')
          .values({ name, bin, sha256, length_bytes: lengthBytes, released_at: clock.now() })
          .execute()
        touched.add(bin)
      }
      if (touched.size > 0) await publish(trx, keyring, clock.now(), { touched, everything: false })
    })
    return references
  }

  return {
    releaseAll,
    async release(name, bytes) {
      const [released] = await releaseAll([{ name, bytes }])
      if (released === undefined) throw new Error('one release gives one reference')
      return released
    },
    async released(name) {
      const row = await db
        .selectFrom('catalogue_targets')
        .select(['sha256', 'length_bytes'])
        .where('name', '=', name)
        .executeTakeFirst()
      return row && { target: name, sha256: row.sha256, lengthBytes: row.length_bytes }
    },
    renew: () => publication(new Set(), false),
    republish: () => publication(new Set(), true),
    trust: () => ({
      siteId,
      policyKeys: [policyKey(keyring.policy)],
      catalogueRoot: new TextDecoder().decode(firstRoot),
    }),
    rootHash: () => sha256(firstRoot),
    handlers: {
      async catalogueMetadata({ caller, parameters }) {
        await requireDevice(caller)
        const file = parameters.file ?? ''
        const bytes = await metadata(db, file)
        return bytes === undefined
          ? fail('NOT_FOUND', `There is no ${JSON.stringify(file)} in the catalogue.`)
          : { kind: 'bytes', body: bytes }
      },
      async catalogueTarget({ caller, parameters }) {
        await requireDevice(caller)
        const wanted = Sha256Schema.safeParse(parameters.sha256)
        const row = wanted.success
          ? await db.selectFrom('catalogue_blobs').select('bytes').where('sha256', '=', wanted.data).executeTakeFirst()
          : undefined
        return row === undefined
          ? fail('NOT_FOUND', 'The catalogue lists nothing with this hash.')
          : { kind: 'bytes', body: row.bytes }
      },
    },
  }
}

function reference({ name, bytes }: Release): CatalogueReference {
  if (!TARGET_NAME.test(name)) throw new Error(`not a name of a target: ${name}`)
  if (bytes.length === 0 || bytes.length > MAX_TARGET_BYTES)
    fail('BODY_TOO_LARGE', `${name} has ${bytes.length} bytes; devices take 1 to ${MAX_TARGET_BYTES}.`)
  return { target: name, sha256: sha256(bytes), lengthBytes: bytes.length }
}

async function metadata(db: Kysely<Database>, name: string): Promise<Uint8Array | undefined> {
  const row = await db.selectFrom('catalogue_metadata').select('bytes').where('name', '=', name).executeTakeFirst()
  return row?.bytes
}

/** C4. The first root is enough: keys are never changed in online mode (K2). */
function checkKeys(root: Uint8Array, keyring: Keyring): void {
  const { signed } = PinnedRoot.parse(JSON.parse(new TextDecoder().decode(root)))
  const trusted = [...Object.keys(signed.keys), ...signed[POLICY_KEYS_FIELD].map((key) => key.keyid)]
  for (const role of ['root', 'release', 'snapshot', 'timestamp', 'policy'] as const)
    if (!trusted.includes(keyring[role].keyid))
      fail('KEYS_MISSING', `The key ${role} is not the one that devices trust.`)
}

const PinnedRoot = z.object({
  signed: z.object({ keys: z.record(z.string(), z.unknown()), [POLICY_KEYS_FIELD]: z.array(PolicyKey) }),
})
