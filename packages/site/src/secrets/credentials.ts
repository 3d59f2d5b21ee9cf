/**
 * What the site proves itself with elsewhere: to cloud storage, to the proxy before its gateways. Sealed by the
 * vault; set, replaced and used here, and in no answer, log or file. Does not own: their form.
 */
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { Vault } from './vault.ts'

/** As in `storage/dp_…`, or `linkProxy`. */
export type CredentialName = `storage/${string}` | 'linkProxy'

export interface Credentials {
  /** Undefined when there are none. @throws ProblemError `KEYS_MISSING` when this site's key does not open them */
  get(name: CredentialName): Promise<{ text: string; changedAt: number } | undefined>
  /** Keeps or replaces them; part of the caller's transaction. */
  set(source: Db, name: CredentialName, text: string): Promise<void>
  delete(source: Db, name: CredentialName): Promise<void>
}

const purposeOf = (name: CredentialName): string => `credentials/${name}`

export function createCredentials(options: { db: Kysely<Database>; vault: Vault; clock: Clock }): Credentials {
  const { db, vault, clock } = options
  return {
    async get(name) {
      const row = await db
        .selectFrom('site_credentials')
        .select(['sealed', 'changed_at'])
        .where('name', '=', name)
        .executeTakeFirst()
      return row && { text: vault.open(purposeOf(name), row.sealed), changedAt: row.changed_at }
    },
    async set(source, name, text) {
      const kept = { sealed: vault.seal(purposeOf(name), text), changed_at: clock.now() }
      await source
        .insertInto('site_credentials')
        .values({ name, ...kept })
        .onConflict((conflict) => conflict.column('name').doUpdateSet(kept))
        .execute()
    },
    async delete(source, name) {
      await source.deleteFrom('site_credentials').where('name', '=', name).execute()
    },
  }
}
