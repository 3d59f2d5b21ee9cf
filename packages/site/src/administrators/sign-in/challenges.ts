/** What a sign-in that goes over several requests remembers, in all processes of the site: short-lived, taken once. */
import type { Kysely } from 'kysely'
import type { z } from 'zod'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import { newToken, tokenHash } from '../../identity/new-id.ts'
import { withoutChange } from '../audit/change.ts'

const LIFE_MS = 5 * 60_000
/** Anybody may begin a sign-in; the oldest unfinished ones are forgotten. */
const MAX_CHALLENGES = 1_000

export interface Challenges {
  /** Remembers the document. @returns the secret that takes it */
  put(document: unknown): Promise<string>
  /** Once. @returns undefined when it is unknown, taken, expired, or of another form */
  take<S extends z.ZodType>(secret: string, schema: S): Promise<z.output<S> | undefined>
}

export function createChallenges({ db, clock }: { db: Kysely<Database>; clock: Clock }): Challenges {
  return {
    async put(document) {
      const secret = newToken()
      const now = clock.now()
      await withoutChange(() =>
        db.transaction().execute(async (trx) => {
          await trx.deleteFrom('admin_challenges').where('expires_at', '<=', now).execute()
          const oldest = await trx
            .selectFrom('admin_challenges')
            .select('id_hash')
            .orderBy('expires_at', 'desc')
            .offset(MAX_CHALLENGES - 1)
            .limit(MAX_CHALLENGES)
            .execute()
          if (oldest.length > 0)
            await trx
              .deleteFrom('admin_challenges')
              .where(
                'id_hash',
                'in',
                oldest.map((row) => row.id_hash),
              )
              .execute()
          await trx
            .insertInto('admin_challenges')
            .values({ id_hash: tokenHash(secret), document: JSON.stringify(document), expires_at: now + LIFE_MS })
            .execute()
        }),
      )
      return secret
    },

    async take(secret, schema) {
      const row = await withoutChange(() =>
        db
          .deleteFrom('admin_challenges')
          .where('id_hash', '=', tokenHash(secret))
          .returning(['document', 'expires_at'])
          .executeTakeFirst(),
      )
      if (row === undefined || row.expires_at <= clock.now()) return undefined
      const parsed = schema.safeParse(JSON.parse(row.document))
      return parsed.success ? parsed.data : undefined
    },
  }
}
