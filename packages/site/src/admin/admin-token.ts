/**
 * Tokens of administrators. The first start makes one and leaves it in a file that only the owner
 * of the data folder can read; the database keeps its hash. Whoever removes the file gets another
 * token at the next start, and the one before is refused from then on: the owner of the folder is the
 * administrator.
 */
import { existsSync } from 'node:fs'
import { writeFileAtomic } from '@sluice/content'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { newToken, tokenHash } from '../identity/new-id.ts'
import type { Log } from '../log.ts'

export async function ensureAdminToken(options: { db: Db; file: string; clock: Clock; log: Log }): Promise<void> {
  const { db, file, clock, log } = options
  const any = await db.selectFrom('admin_tokens').select('token_hash').limit(1).executeTakeFirst()
  if (any !== undefined && existsSync(file)) return
  const token = newToken()
  // The hash first: a token in the file that nobody knows would look right and be refused.
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('admin_tokens').execute()
    await trx
      .insertInto('admin_tokens')
      .values({ token_hash: tokenHash(token), name: 'first start', created_at: clock.now() })
      .execute()
  })
  await writeFileAtomic(file, `${token}\n`)
  log.info('made a token for the administrator', { file })
}

/** Looks a token up by its hash, so the time it takes says nothing about the token. */
export async function isAdminToken(db: Db, token: string): Promise<boolean> {
  const row = await db
    .selectFrom('admin_tokens')
    .select('token_hash')
    .where('token_hash', '=', tokenHash(token))
    .executeTakeFirst()
  return row !== undefined
}
