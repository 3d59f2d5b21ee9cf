/**
 * One publication: decides which roles need a new signature, signs them and stores the files. The
 * order is TUF's from the inside out; all is one transaction, so a crash leaves the old catalogue.
 */
import { fail, type SigningRole } from '@sluice/protocol'
import { sql, type Transaction } from 'kysely'
import { nextNumbers } from '../db/counter.ts'
import type { Database, Db } from '../db/database.ts'
import type { Keyring, SigningKey } from '../keys/keyring.ts'
import {
  binMetadata,
  type PublishedFile,
  rootMetadata,
  type Stamp,
  sha256,
  snapshotMetadata,
  targetsMetadata,
  timestampMetadata,
} from './metadata.ts'
import { bins, lives, type OnlineRole, SUPERSEDED_KEPT_MS } from './roles.ts'
import { readRoot, trustedKeys } from './trusted-root.ts'

type Trx = Transaction<Database>

export interface Present extends PublishedFile {
  expiresAt: number
}

/** Makes publications follow each other, in all processes of the site. Held until the transaction ends. */
export async function lockCatalogue(trx: Trx): Promise<void> {
  await nextNumbers(trx, 'catalogue', 1)
}

/**
 * Signs and stores what is missing, due, or touched by a release, with the keys that the published
 * root trusts. What needs a key that is not here stays as it is. Call under `lockCatalogue`.
 * @param touched bins whose list of targets changed
 * @param everything sign all anew but the root: after a restore, devices may have seen newer versions
 * @param stored metadata that was signed elsewhere was stored just now
 * @param now milliseconds since 1970
 */
export async function publish(
  trx: Trx,
  keyring: Keyring,
  now: number,
  options: { touched: ReadonlySet<string>; everything: boolean; stored?: boolean },
): Promise<void> {
  const { touched, everything, stored = false } = options
  const present = await presentFiles(trx)
  const due = (role: string, life: OnlineRole) => {
    const file = present.get(role)
    return file === undefined || file.expiresAt - now < lives[life].renewMs
  }
  /** Versions rise with the clock, so that a restored site goes on above what devices have seen (design §5). */
  const stamp = (role: string, life: OnlineRole): Stamp => ({
    version: Math.max((present.get(role)?.version ?? 0) + 1, Math.floor(now / 1000)),
    expiresAt: now + lives[life].lifeMs,
  })
  const put = async (role: string, name: string, at: Stamp, bytes: Uint8Array) =>
    present.set(role, await storeMetadata(trx, role, name, at, bytes, now))

  const published = await newestRoot(trx)
  const root = published && readRoot(published)
  const keys = trustedKeys(keyring, root)
  const here = (role: SigningRole): SigningKey =>
    keys[role] ?? fail('KEYS_MISSING', `The key ${role} is not the one that devices trust.`)

  // A root of offline mode is renewed where its key is.
  if (due('root', 'root') && (root === undefined || root.mode === 'online')) {
    // Root versions are a chain without gaps (TUF 1.0, 5.3.5).
    const next = { ...stamp('root', 'root'), version: (present.get('root')?.version ?? 0) + 1 }
    const listed = {
      root: here('root'),
      release: here('release'),
      snapshot: here('snapshot'),
      timestamp: here('timestamp'),
      policy: here('policy'),
    }
    await put('root', `${next.version}.root.json`, next, rootMetadata(listed, 'online', next))
  }

  let changed = stored
  const { release } = keys
  if (release !== undefined) {
    if (everything || due('targets', 'targets')) {
      const next = stamp('targets', 'targets')
      await put('targets', `${next.version}.targets.json`, next, targetsMetadata(release, next))
      changed = true
    }
    for (const { role } of bins) {
      if (!everything && !touched.has(role) && !due(role, 'targets')) continue
      const next = stamp(role, 'targets')
      await put(role, `${next.version}.${role}.json`, next, binMetadata(release, next, await targetsIn(trx, role)))
      changed = true
    }
  }

  if (changed || everything || due('snapshot', 'snapshot')) {
    const next = stamp('snapshot', 'snapshot')
    const files = new Map([...present].filter(([role]) => role === 'targets' || role.startsWith('bin-')))
    await put('snapshot', `${next.version}.snapshot.json`, next, snapshotMetadata(here('snapshot'), next, files))
    changed = true
  }
  const snapshot = present.get('snapshot')
  if (snapshot !== undefined && (changed || due('timestamp', 'timestamp'))) {
    const next = stamp('timestamp', 'timestamp')
    await put('timestamp', 'timestamp.json', next, timestampMetadata(here('timestamp'), next, snapshot))
  }
  await trx
    .deleteFrom('catalogue_metadata')
    .where('superseded_at', '<', now - SUPERSEDED_KEPT_MS)
    .where('role', '!=', 'root') // devices walk through every root since the one they know
    .execute()
}

/** The root that devices come to in the end. */
export async function newestRoot(source: Db): Promise<Uint8Array | undefined> {
  const row = await source
    .selectFrom('catalogue_metadata')
    .select('bytes')
    .where('role', '=', 'root')
    .where('superseded_at', 'is', null)
    .executeTakeFirst()
  return row?.bytes
}

/** What is published now, by role. */
export async function presentFiles(trx: Db): Promise<Map<string, Present>> {
  const rows = await trx
    .selectFrom('catalogue_metadata')
    .select(['role', 'version', 'sha256', 'length_bytes', 'expires_at'])
    .where('superseded_at', 'is', null)
    .execute()
  return new Map(
    rows.map((row) => [
      row.role,
      { version: row.version, sha256: row.sha256, lengthBytes: row.length_bytes, expiresAt: row.expires_at },
    ]),
  )
}

async function targetsIn(trx: Trx, bin: string) {
  return await trx
    .selectFrom('catalogue_targets')
    .select(['name', 'sha256', sql<number>`length_bytes`.as('lengthBytes')])
    .where('bin', '=', bin)
    .orderBy('name')
    .execute()
}

/** Stores a file in the place of its role's present one. */
export async function storeMetadata(
  trx: Trx,
  role: string,
  name: string,
  { version, expiresAt }: Stamp,
  bytes: Uint8Array,
  now: number,
): Promise<Present> {
  const file = { version, sha256: sha256(bytes), lengthBytes: bytes.length, expiresAt }
  const row = { role, version, bytes, sha256: file.sha256, length_bytes: bytes.length, expires_at: expiresAt }
  await trx
    .updateTable('catalogue_metadata')
    .set({ superseded_at: now })
    .where('role', '=', role)
    .where('superseded_at', 'is', null)
    .execute()
  await trx
    .insertInto('catalogue_metadata')
    .values({ name, ...row, superseded_at: null })
    // Only `timestamp.json` has a name without a version.
    .$if(role === 'timestamp', (query) =>
      query.onConflict((conflict) => conflict.column('name').doUpdateSet({ ...row, superseded_at: null })),
    )
    .execute()
  return file
}
