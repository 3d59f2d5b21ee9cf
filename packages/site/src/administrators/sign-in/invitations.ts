/**
 * One-time codes with which somebody sets a password: the first administrator, who was invited, whose
 * account was reset.
 *
 * 1. A code works once, whoever is fastest, in all processes of the site.
 * 2. The code for the first administrator works only as long as there is none.
 */
import { AdministratorId, fail, signInPaths } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { type Clock, timestamp } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { newId, newToken, tokenHash } from '../../identity/new-id.ts'
import { grantColumns } from '../actor.ts'

const LIFE_MS = 24 * 3600_000

export interface Invitations {
  /** Replaces earlier codes of this administrator; null: of the first one. */
  make(
    trx: Transaction<Database>,
    administratorId: AdministratorId | null,
  ): Promise<{ code: string; url: string; expiresAt: string }>
  /** As long as nobody administers: a new code for the first one. */
  first(): Promise<{ url: string; expiresAt: string } | undefined>
  isOpen(code: string): Promise<boolean>
  /** Takes the code and sets the password. @throws ProblemError `INVITATION_REFUSED`, `BAD_REQUEST` */
  accept(
    trx: Transaction<Database>,
    request: { code: string; name: string | undefined; passwordHash: string },
  ): Promise<{ id: AdministratorId; name: string }>
}

/** @param origin of the pages, as in `https://site.example:8443` */
export function createInvitations(options: { db: Kysely<Database>; clock: Clock; origin(): string }): Invitations {
  const { db, clock, origin } = options
  const refused = () => fail('INVITATION_REFUSED', 'Ask for another one.')

  const make: Invitations['make'] = async (trx, administratorId) => {
    const code = newToken()
    const expiresAt = clock.now() + LIFE_MS
    await trx
      .deleteFrom('admin_invitations')
      .where('administrator_id', administratorId === null ? 'is' : '=', administratorId)
      .execute()
    await trx
      .insertInto('admin_invitations')
      .values({ code_hash: tokenHash(code), administrator_id: administratorId, expires_at: expiresAt })
      .execute()
    // In the fragment: it is not sent, and so stands in no log of a proxy.
    return { code, url: `${origin()}${signInPaths.page}#code=${code}`, expiresAt: timestamp(expiresAt) }
  }

  return {
    make,
    async first() {
      return await db.transaction().execute(async (trx) => {
        const any = await trx.selectFrom('administrators').select('id').limit(1).executeTakeFirst()
        if (any !== undefined) return undefined
        const { url, expiresAt } = await make(trx, null)
        return { url, expiresAt }
      })
    },

    async isOpen(code) {
      const row = await db
        .selectFrom('admin_invitations')
        .select('expires_at')
        .where('code_hash', '=', tokenHash(code))
        .executeTakeFirst()
      return row !== undefined && row.expires_at > clock.now()
    },

    async accept(trx, { code, name, passwordHash }) {
      const taken = await trx
        .deleteFrom('admin_invitations')
        .where('code_hash', '=', tokenHash(code)) // 1.
        .returning(['administrator_id', 'expires_at'])
        .executeTakeFirst()
      if (taken === undefined || taken.expires_at <= clock.now()) return refused()
      if (taken.administrator_id !== null) {
        const row = await trx
          .updateTable('administrators')
          .set({ state: 'active', password_hash: passwordHash })
          .where('id', '=', taken.administrator_id)
          .where('state', '=', 'invited')
          .returning(['id', 'name'])
          .executeTakeFirst()
        return row ?? refused()
      }
      if (name === undefined) fail('BAD_REQUEST', 'name: the first administrator chooses one.')
      const any = await trx.selectFrom('administrators').select('id').limit(1).executeTakeFirst()
      if (any !== undefined) refused() // 2.
      const id = newId('adm', AdministratorId)
      await trx
        .insertInto('administrators')
        .values({
          ...{ id, name, state: 'active', password_hash: passwordHash, created_at: clock.now() },
          ...grantColumns({ roles: ['fullAdministrator'] }),
        })
        .execute()
      return { id, name }
    },
  }
}
