/** Secrets as administrators handle them: written, listed by name, deleted, and never read back. */
import { fail, type SecretInfo, SecretName } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { Vault } from './vault.ts'

/** Names are few: people keep them in their heads. */
const MAX_SECRETS = 10_000

export interface Secrets {
  /** By name. */
  list(): Promise<SecretInfo[]>
  /** Makes or replaces one. `BAD_REQUEST`, `CONFLICT` when there are too many */
  set(name: string, value: string): Promise<SecretInfo>
  /** `NOT_FOUND` */
  delete(name: string): Promise<void>
}

export const purposeOf = (name: string): string => `secret/${name}`

export function createSecrets({ db, vault, clock }: { db: Kysely<Database>; vault: Vault; clock: Clock }): Secrets {
  return {
    list: () => infos(db),
    async set(name, value) {
      const checked = SecretName.safeParse(name)
      if (!checked.success)
        fail('BAD_REQUEST', 'A secret is named by a letter, then letters, digits, "_", "." or "-"; at most 100.')
      const sealed = vault.seal(purposeOf(name), value)
      const now = clock.now()
      await db.transaction().execute(async (trx) => {
        const { count } = await trx
          .selectFrom('secrets')
          .select((eb) => eb.fn.countAll<number | string>().as('count'))
          .where('name', '!=', name)
          .executeTakeFirstOrThrow()
        if (Number(count) >= MAX_SECRETS) fail('CONFLICT', `There are ${MAX_SECRETS} secrets already.`)
        await trx
          .insertInto('secrets')
          .values({ name, sealed, created_at: now, changed_at: now })
          .onConflict((conflict) => conflict.column('name').doUpdateSet({ sealed, changed_at: now }))
          .execute()
      })
      const [info] = await infos(db, name)
      return info ?? fail('NOT_FOUND', `The secret ${name} was deleted at this moment.`)
    },
    async delete(name) {
      const { numDeletedRows } = await db.deleteFrom('secrets').where('name', '=', name).executeTakeFirst()
      if (numDeletedRows === 0n) fail('NOT_FOUND', `There is no secret ${name}.`)
    },
  }
}

async function infos(db: Db, name?: string): Promise<SecretInfo[]> {
  const rows = await db
    .selectFrom('secrets')
    .leftJoin('secret_reveals as reveal', 'reveal.name', 'secrets.name')
    .select(['secrets.name', 'created_at', 'changed_at'])
    .select((eb) => [
      eb.fn.count<number | string>('reveal.attempt').as('reveals'),
      eb.fn.max('reveal.revealed_at').as('last_revealed_at'),
    ])
    .groupBy(['secrets.name', 'created_at', 'changed_at'])
    .orderBy('secrets.name')
    .$if(name !== undefined, (query) => query.where('secrets.name', '=', name ?? ''))
    .execute()
  return rows.map((row) => ({
    name: row.name,
    createdAt: timestamp(row.created_at),
    changedAt: timestamp(row.changed_at),
    reveals: Number(row.reveals),
    ...(row.last_revealed_at === null ? {} : { lastRevealedAt: timestamp(Number(row.last_revealed_at)) }),
  }))
}
