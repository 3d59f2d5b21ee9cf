/**
 * One publication: decides which roles need a new signature, signs them and stores the files. The
 * order is TUF's from the inside out; all is one transaction, so a crash leaves the old catalogue.
 */
import { sql, type Transaction } from 'kysely'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'
import type { Keyring } from '../keys/keyring.ts'
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

type Trx = Transaction<Database>

interface Present extends PublishedFile {
  expiresAt: number
}

/** Makes publications follow each other, in all processes of the site. Held until the transaction ends. */
export async function lockCatalogue(trx: Trx): Promise<void> {
  await nextNumbers(trx, 'catalogue', 1)
}

/**
 * Signs and stores what is missing, due, or touched by a release. Call under `lockCatalogue`.
 * @param touched bins whose list of targets changed
 * @param everything sign all anew but the root: after a restore, devices may have seen newer versions
 * @param now milliseconds since 1970
 */
export async function publish(
  trx: Trx,
  keyring: Keyring,
  now: number,
  { touched, everything }: { touched: ReadonlySet<string>; everything: boolean },
): Promise<void> {
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
    present.set(role, await store(trx, role, name, at, bytes, now))

  if (due('root', 'root')) {
    // Root versions are a chain without gaps (TUF 1.0, 5.3.5).
    const next = { ...stamp('root', 'root'), version: (present.get('root')?.version ?? 0) + 1 }
    await put('root', `${next.version}.root.json`, next, rootMetadata(keyring, next))
  }

  let changed = false
  if (everything || due('targets', 'targets')) {
    const next = stamp('targets', 'targets')
    await put('targets', `${next.version}.targets.json`, next, targetsMetadata(keyring, next))
    changed = true
  }
  for (const { role } of bins) {
    if (!everything && !touched.has(role) && !due(role, 'targets')) continue
    const next = stamp(role, 'targets')
    await put(role, `${next.version}.${role}.json`, next, binMetadata(keyring, next, await targetsIn(trx, role)))
    changed = true
  }

  if (changed || everything || due('snapshot', 'snapshot')) {
    const next = stamp('snapshot', 'snapshot')
    const files = new Map([...present].filter(([role]) => role === 'targets' || role.startsWith('bin-')))
    await put('snapshot', `${next.version}.snapshot.json`, next, snapshotMetadata(keyring, next, files))
    changed = true
  }
  const snapshot = present.get('snapshot')
  if (snapshot !== undefined && (changed || due('timestamp', 'timestamp'))) {
    const next = stamp('timestamp', 'timestamp')
    await put('timestamp', 'timestamp.json', next, timestampMetadata(keyring, next, snapshot))
  }
  await trx
    .deleteFrom('catalogue_metadata')
    .where('superseded_at', '<', now - SUPERSEDED_KEPT_MS)
    .where('role', '!=', 'root') // devices walk through every root since the one they know
    .execute()
}

async function presentFiles(trx: Trx): Promise<Map<string, Present>> {
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

async function store(
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
