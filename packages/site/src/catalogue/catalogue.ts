/**
 * The catalogue: what may ever run, as a TUF 1.0 repository (design §5).
 *
 * Owns: the metadata that is published, its renewal, the bytes of targets. Does not own: the keys
 * (`keys/`), what is worth releasing (sequences and the content library say so), who is admitted (`devices/`).
 *
 *   C1. A released name means the same bytes for ever; releasing it again with others is refused.
 *   C2. Metadata under a versioned name never changes once it is published.
 *   C3. A publication is one transaction: devices see the old catalogue or the new one, whole.
 *   C4. What devices trust is never signed by other keys: a keyring that does not fit what is
 *       published keeps the site from starting.
 *   C5. In offline mode nothing is listed that the release key, which is elsewhere, has not signed:
 *       what is offered waits as a draft.
 */
import {
  type CatalogueInfo,
  type CatalogueMode,
  type CataloguePublication,
  type CatalogueReference,
  fail,
  type ReleaseEntry,
  type Sha256,
  Sha256 as Sha256Schema,
  type SigningRole,
  type SiteId,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { DeviceHandlers } from '../device-plane/handler.ts'
import type { RequireDevice } from '../devices/admission.ts'
import type { Keyring } from '../keys/keyring.ts'
import { catalogueInfo } from './catalogue-info.ts'
import { offer, releaseEntries } from './drafts.ts'
import { binOf, policyKey, sha256 } from './metadata.ts'
import { lockCatalogue, newestRoot, publish } from './publication.ts'
import { rotateOnline } from './rotation.ts'
import { storeSigned } from './signed-elsewhere.ts'
import { readRoot, type TrustedRoot } from './trusted-root.ts'

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
   * Releases under names, all or none; what is released already is left as it is. In offline mode what
   * is new waits for the release key instead (C5).
   * @throws ProblemError `CONFLICT` when a name is released with other bytes (C1)
   */
  releaseAll(releases: readonly Release[]): Promise<CatalogueReference[]>
  release(name: string, bytes: Uint8Array): Promise<CatalogueReference>
  /**
   * Lists these names no more, and offers them no more. In offline mode what the release key has signed
   * stays listed: only who has the key can take it back.
   */
  withdraw(names: readonly string[]): Promise<void>
  /** What is released under a name. */
  released(name: string): Promise<CatalogueReference | undefined>
  mode(): Promise<CatalogueMode>
  info(): Promise<CatalogueInfo>
  /** Published metadata by its file name; `bin-7.json` is the newest of its role. `NOT_FOUND` */
  file(name: string): Promise<{ text: string }>
  /** What waits for release, and what is released. */
  releases(): Promise<ReleaseEntry[]>
  /** The bytes of a target. `NOT_FOUND` */
  bytes(hash: Sha256): Promise<Uint8Array>
  /** Publishes what a workstation signed. `RELEASE_REFUSED`; nothing changes then. */
  publishSigned(publication: CataloguePublication): Promise<CatalogueInfo>
  /**
   * Online: a new key takes the old one's place. Offline: makes the key, which a root must list first.
   * `KEY_ELSEWHERE` for a key that is not the site's.
   */
  rotate(role: SigningRole): Promise<CatalogueInfo>
  /** Told of names that were released after they had waited. */
  onReleased(listener: (names: readonly string[]) => void): void
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

  const listeners: ((names: readonly string[]) => void)[] = []

  /** One publication after another, in all processes of the site; then the keys that it put to use. */
  async function locked<T>(body: (trx: Transaction<Database>) => Promise<T>): Promise<T> {
    const result = await db.transaction().execute(async (trx) => {
      await lockCatalogue(trx)
      return await body(trx)
    })
    await adopt()
    return result
  }

  async function trustedRoot(): Promise<TrustedRoot | undefined> {
    const bytes = await newestRoot(db)
    return bytes && readRoot(bytes)
  }

  /** C4 */
  async function adopt(): Promise<void> {
    const root = await trustedRoot()
    if (root === undefined) return
    await keyring.adopt(root.keyids, root.mode)
    for (const role of ['root', 'release', 'snapshot', 'timestamp', 'policy'] as const) {
      const key = keyring[role]
      if (key === undefined ? root.mode === 'online' : !root.keyids[role].includes(key.keyid))
        fail('KEYS_MISSING', `The key ${role} is not the one that devices trust.`)
    }
  }

  const publication = (touched: ReadonlySet<string>, everything: boolean) =>
    locked((trx) => publish(trx, keyring, clock.now(), { touched, everything }))

  await adopt()
  await publication(new Set(), false)
  const firstRoot = await metadata(db, '1.root.json')
  if (firstRoot === undefined) throw new Error('the catalogue has no first root')
  const pinned = firstRoot

  const info = () => catalogueInfo(db, siteId, keyring, clock.now())

  async function releaseAll(releases: readonly Release[]): Promise<CatalogueReference[]> {
    const references = releases.map(reference)
    await locked(async (trx) => {
      const root = await newestRoot(trx)
      const online = root === undefined || readRoot(root).mode === 'online'
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
        if (!online) {
          await offer(trx, { name, sha256, lengthBytes }, clock.now()) // C5
          continue
        }
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

  async function withdraw(names: readonly string[]): Promise<void> {
    if (names.length === 0) return
    await locked(async (trx) => {
      await trx.deleteFrom('catalogue_drafts').where('name', 'in', names).execute()
      const root = await newestRoot(trx)
      if (root !== undefined && readRoot(root).mode === 'offline') return
      const gone = await trx.deleteFrom('catalogue_targets').where('name', 'in', names).returning('bin').execute()
      const touched = new Set(gone.map(({ bin }) => bin))
      if (touched.size > 0) await publish(trx, keyring, clock.now(), { touched, everything: false })
    })
  }

  return {
    releaseAll,
    withdraw,
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
    mode: async () => (await trustedRoot())?.mode ?? 'online',
    info,
    async file(name) {
      const role = /^(targets|snapshot|bin-[0-9a-f])\.json$/.exec(name)?.[1]
      const bytes =
        role === undefined
          ? name === 'root.json'
            ? await newestRoot(db)
            : await metadata(db, name)
          : await newestOf(db, role)
      return bytes === undefined
        ? fail('NOT_FOUND', `There is no ${JSON.stringify(name)} in the catalogue.`)
        : { text: new TextDecoder().decode(bytes) }
    },
    releases: () => releaseEntries(db),
    async bytes(hash) {
      const row = await db.selectFrom('catalogue_blobs').select('bytes').where('sha256', '=', hash).executeTakeFirst()
      return row?.bytes ?? fail('NOT_FOUND', 'The catalogue has nothing with this hash.')
    },
    async publishSigned(signed) {
      const { released } = await locked(async (trx) => {
        const stored = await storeSigned(trx, keyring, signed, clock.now())
        await publish(trx, keyring, clock.now(), { touched: new Set(), everything: false, stored: true })
        return stored
      })
      for (const listener of listeners) listener(released)
      return await info()
    },
    async rotate(role) {
      const mode = (await trustedRoot())?.mode
      if (mode === 'offline' && (role === 'root' || role === 'release'))
        fail('KEY_ELSEWHERE', `The key ${role} is not on the site: rotate it where it is.`)
      await keyring.prepare(role)
      if (mode === 'online') await locked((trx) => rotateOnline(trx, keyring, role, clock.now()))
      return await info()
    },
    onReleased(listener) {
      listeners.push(listener)
    },
    renew: () => publication(new Set(), false),
    republish: () => publication(new Set(), true),
    trust: () => ({
      siteId,
      policyKeys: [policyKey(keyring.policy)],
      catalogueRoot: new TextDecoder().decode(pinned),
    }),
    rootHash: () => sha256(pinned),
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
        // Drafts have bytes too; devices get what is released.
        const row = wanted.success
          ? await db
              .selectFrom('catalogue_blobs')
              .innerJoin('catalogue_targets', 'catalogue_targets.sha256', 'catalogue_blobs.sha256')
              .select('bytes')
              .where('catalogue_blobs.sha256', '=', wanted.data)
              .limit(1)
              .executeTakeFirst()
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

async function newestOf(db: Kysely<Database>, role: string): Promise<Uint8Array | undefined> {
  const row = await db
    .selectFrom('catalogue_metadata')
    .select('bytes')
    .where('role', '=', role)
    .where('superseded_at', 'is', null)
    .executeTakeFirst()
  return row?.bytes
}
