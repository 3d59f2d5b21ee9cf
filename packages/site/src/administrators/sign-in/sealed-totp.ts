/** Seals what earlier versions kept readable in the database: the secrets of authenticator apps. */
import type { Kysely } from 'kysely'
import type { Database } from '../../db/database.ts'
import { isSealed, type Vault } from '../../secrets/vault.ts'
import { totpPurpose } from './totp.ts'

/** At each start; what is sealed already stays as it is. */
export async function sealTotpSecrets(db: Kysely<Database>, vault: Vault): Promise<void> {
  for (const column of ['totp_secret', 'totp_pending'] as const) {
    const rows = await db.selectFrom('administrators').select(['id', column]).where(column, 'is not', null).execute()
    for (const { id, [column]: secret } of rows) {
      if (secret === null || isSealed(secret)) continue
      await db
        .updateTable('administrators')
        .set({ [column]: vault.seal(totpPurpose(id), secret) })
        .where('id', '=', id)
        .where(column, '=', secret)
        .execute()
    }
  }
}
