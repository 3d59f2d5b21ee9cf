/**
 * The token in the data folder. The first start makes it and leaves it in a file that only the owner
 * of the folder can read; the database keeps its hash. Whoever removes the file gets another token at
 * the next start, and the one before is refused from then on: the owner of the folder is
 * administrator. One that was revoked stays revoked as long as its file is there.
 */
import { existsSync } from 'node:fs'
import { writeFileAtomic } from '@sluice/content'
import { ApiTokenId } from '@sluice/protocol'
import { grantColumns } from '../administrators/actor.ts'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { newId, newToken, tokenHash } from '../identity/new-id.ts'
import type { Log } from '../log.ts'

export async function ensureAdminToken(options: { db: Db; file: string; clock: Clock; log: Log }): Promise<void> {
  const { db, file, clock, log } = options
  // All others have an end.
  const any = await db.selectFrom('api_tokens').select('id').where('expires_at', 'is', null).executeTakeFirst()
  if (any !== undefined && existsSync(file)) return
  const token = newToken()
  // The hash first: a token in the file that nobody knows would look right and be refused.
  await db.transaction().execute(async (trx) => {
    await trx.deleteFrom('api_tokens').where('expires_at', 'is', null).execute()
    await trx
      .insertInto('api_tokens')
      .values({
        id: newId('api', ApiTokenId),
        token_hash: tokenHash(token),
        name: 'data folder',
        ...grantColumns({ roles: ['fullAdministrator'] }),
        created_at: clock.now(),
      })
      .execute()
  })
  await writeFileAtomic(file, `${token}\n`)
  log.info('made a token for the administrator', { file })
}
