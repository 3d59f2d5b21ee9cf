/** A new key in online mode: the site signs the root that puts it to use, with the old root key and the new. */
import type { SigningRole } from '@sluice/protocol'
import type { Transaction } from 'kysely'
import type { Database } from '../db/database.ts'
import type { Keyring, SigningKey } from '../keys/keyring.ts'
import { type RootKeys, rootMetadata } from './metadata.ts'
import { newestRoot, publish, storeMetadata } from './publication.ts'
import { lives } from './roles.ts'
import { readRoot, trustedKeys } from './trusted-root.ts'

/**
 * Publishes a root that lists the waiting key of a role, and signs everything anew. Call under
 * `lockCatalogue`.
 * @param now milliseconds since 1970
 */
export async function rotateOnline(
  trx: Transaction<Database>,
  keyring: Keyring,
  role: SigningRole,
  now: number,
): Promise<void> {
  const published = await newestRoot(trx)
  if (published === undefined) throw new Error('the catalogue has no root')
  const before = readRoot(published)
  const old = trustedKeys(keyring, before)
  const next = keyring.next(role)
  if (next === undefined) return // Another process was faster.
  const key = (one: SigningRole): SigningKey => {
    const found = one === role ? next : old[one]
    if (found === undefined) throw new Error(`the key ${one} is not here`)
    return found
  }
  const keys: RootKeys = {
    root: key('root'),
    release: key('release'),
    snapshot: key('snapshot'),
    timestamp: key('timestamp'),
    policy: key('policy'),
  }
  const at = { version: before.version + 1, expiresAt: now + lives.root.lifeMs }
  await storeMetadata(trx, 'root', `${at.version}.root.json`, at, rootMetadata(keys, 'online', at, old.root), now)
  await publish(trx, keyring, now, { touched: new Set(), everything: true })
}
