/**
 * Metadata that a workstation signed: verified as a device does, before a byte of it is stored.
 *
 *   E1. A root counts when the root before and the root itself signed it, and its version is the next.
 *   E2. Lists count when the key that the root gives to releases signed them; versions only rise.
 *   E3. A listed name has its bytes here, and means the same bytes for ever (C1 of the catalogue).
 *   E4. The site must stay able to sign: the root lists keys of it for snapshot, timestamp and policy.
 */
import { type CataloguePublication, fail, type Sha256 } from '@sluice/protocol'
import { Metadata, MetadataKind, type Targets } from '@tufjs/models'
import type { Transaction } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Keyring } from '../keys/keyring.ts'
import { addSignature, binOf, type Target } from './metadata.ts'
import { newestRoot, presentFiles, storeMetadata } from './publication.ts'
import { bins } from './roles.ts'
import { readRoot, type TrustedRoot, trustedKeys } from './trusted-root.ts'

type Trx = Transaction<Database>
const refuse = (detail: string): never => fail('RELEASE_REFUSED', detail)
const bytesOf = (text: string) => new TextEncoder().encode(text)

export interface Stored {
  /** Names that are listed now and were not before. */
  released: string[]
}

/**
 * Stores what was signed elsewhere. Call under `lockCatalogue`; `publish` afterwards names it in snapshot
 * and timestamp.
 * @param now milliseconds since 1970
 * @throws ProblemError `RELEASE_REFUSED`
 */
export async function storeSigned(
  trx: Trx,
  keyring: Keyring,
  publication: CataloguePublication,
  now: number,
): Promise<Stored> {
  const presentRoot = await newestRoot(trx)
  if (presentRoot === undefined) throw new Error('the catalogue has no root')
  const before = readRoot(presentRoot)
  const present = await presentFiles(trx)
  let root = before
  if (publication.root !== undefined) {
    const { trusted, bytes } = nextRoot(publication.root, before, keyring, now)
    root = trusted
    const at = { version: root.version, expiresAt: expiryOf(root.metadata.signed) }
    await storeMetadata(trx, 'root', `${root.version}.root.json`, at, bytes, now)
  } else if (before.mode === 'online') refuse('The site is in online mode: it signs by itself.')

  const document = async (role: string): Promise<{ text: string; sent: boolean }> => {
    const sent = role === 'targets' ? publication.targets : publication.bins[role]
    if (sent !== undefined) return { text: sent, sent: true }
    const { bytes } = await trx
      .selectFrom('catalogue_metadata')
      .select('bytes')
      .where('role', '=', role)
      .where('superseded_at', 'is', null)
      .executeTakeFirstOrThrow()
    return { text: new TextDecoder().decode(bytes), sent: false }
  }
  /** E2. Those that were not sent are looked at too: a new key must have signed all. */
  async function verified(role: string, delegator: Pick<TrustedRoot['metadata'], 'verifyDelegate'>) {
    const { text, sent } = await document(role)
    const list = read(role, text)
    try {
      delegator.verifyDelegate(role, list)
    } catch (error) {
      refuse(`${role}: ${error instanceof Error ? error.message : String(error)}`)
    }
    if (sent) {
      const { version } = list.signed
      if (version <= (present.get(role)?.version ?? 0)) refuse(`${role}: version ${version} is not newer.`)
      const at = { version, expiresAt: expiryOf(list.signed) }
      if (at.expiresAt <= now) refuse(`${role} has expired.`)
      await storeMetadata(trx, role, `${version}.${role}.json`, at, bytesOf(text), now)
    }
    return { list, sent }
  }

  const targets = (await verified('targets', root.metadata)).list
  checkDelegations(targets)
  const released: string[] = []
  for (const { role } of bins) {
    const { list, sent } = await verified(role, targets)
    if (sent) released.push(...(await replaceTargets(trx, role, list, now)))
  }
  return { released }
}

/** E1, E4 */
function nextRoot(text: string, before: TrustedRoot, keyring: Keyring, now: number) {
  const parse = (bytes: Uint8Array) => {
    try {
      return readRoot(bytes)
    } catch (error) {
      return refuse(`The root cannot be read: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  const trusted = parse(bytesOf(text))
  // Online until now: the site holds the root key, and its signature is what hands over.
  const own = trustedKeys(keyring, before).root
  if (before.mode === 'online' && own !== undefined) addSignature(trusted.metadata, own)
  try {
    before.metadata.verifyDelegate('root', trusted.metadata)
    trusted.metadata.verifyDelegate('root', trusted.metadata)
  } catch (error) {
    refuse(`The root: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (trusted.version !== before.version + 1)
    refuse(`The root has version ${trusted.version}; the next one is ${before.version + 1}.`)
  if (trusted.mode !== 'offline') refuse('A root that is signed elsewhere says that the site is in offline mode.')
  if (trusted.metadata.signed.consistentSnapshot !== true) refuse('The root must ask for consistent snapshots.')
  if (expiryOf(trusted.metadata.signed) <= now) refuse('The root has expired.')
  const keys = trustedKeys(keyring, trusted)
  for (const role of ['snapshot', 'timestamp', 'policy'] as const)
    if (keys[role] === undefined) refuse(`The root lists no ${role} key that this site has.`)
  return { trusted, bytes: bytesOf(JSON.stringify(trusted.metadata.toJSON())) }
}

function read(role: string, text: string): Metadata<Targets> {
  try {
    return Metadata.fromJSON(MetadataKind.Targets, JSON.parse(text))
  } catch (error) {
    return refuse(`${role} cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
}

/** Nothing but the bins, all with one key: no name has two delegators (SEC-41). */
function checkDelegations({ signed }: Metadata<Targets>): void {
  const roles = Object.values(signed.delegations?.roles ?? {})
  const right = bins.every(({ role, prefix }, i) => {
    const one = roles[i]
    return one?.name === role && one.terminating && one.pathHashPrefixes?.join() === prefix && one.threshold === 1
  })
  if (Object.keys(signed.targets).length > 0 || roles.length !== bins.length || !right)
    refuse('The top-level targets must delegate to the sixteen bins, and list nothing.')
}

/** E3. @returns names that are new */
async function replaceTargets(trx: Trx, role: string, { signed }: Metadata<Targets>, now: number): Promise<string[]> {
  const listed = Object.values(signed.targets).map(
    ({ path, length, hashes }): Target => ({
      name: path,
      lengthBytes: length,
      sha256: (hashes.sha256 ?? '') as Sha256,
    }),
  )
  const known = new Map(
    (await trx.selectFrom('catalogue_targets').select(['name', 'sha256']).where('bin', '=', role).execute()).map(
      (row) => [row.name, row.sha256],
    ),
  )
  const released: string[] = []
  for (const { name, sha256, lengthBytes } of listed) {
    if (binOf(name) !== role) refuse(`${name} does not belong into ${role}.`)
    const before = known.get(name)
    known.delete(name)
    if (before === sha256) continue
    if (before !== undefined) refuse(`${name} is released already, with other bytes.`)
    const draft = await trx.selectFrom('catalogue_drafts').selectAll().where('name', '=', name).executeTakeFirst()
    if (draft?.sha256 !== sha256 || draft.length_bytes !== lengthBytes) refuse(`${name} is not what waits for release.`)
    await trx
      .insertInto('catalogue_targets')
      .values({ name, bin: role, sha256, length_bytes: lengthBytes, released_at: now })
      .execute()
    await trx.deleteFrom('catalogue_drafts').where('name', '=', name).execute()
    released.push(name)
  }
  // What is not listed any more was withdrawn.
  for (const name of known.keys()) await trx.deleteFrom('catalogue_targets').where('name', '=', name).execute()
  return released
}

const expiryOf = ({ expires }: { expires: string }): number => Date.parse(expires)
