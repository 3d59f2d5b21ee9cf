/** Tokens that let devices in: single-use or counted, with an end, kept as hashes only (SEC-04). */
import { TokenId } from '@sluice/protocol'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { newId, newToken, tokenHash } from '../identity/new-id.ts'

const HOUR_MS = 3600_000
const SINGLE_LIFE_MS = 24 * HOUR_MS
const COUNTED_LIFE_MS = 3 * 24 * HOUR_MS

/** @param lifeMs by default 24 hours for one device, 3 days for several */
export async function createEnrolmentToken(
  { db, clock }: { db: Db; clock: Clock },
  { uses, lifeMs }: { uses: number; lifeMs?: number | undefined },
): Promise<{ id: TokenId; token: string; expiresAt: number }> {
  const id = newId('tok', TokenId)
  const token = newToken()
  const now = clock.now()
  const expiresAt = now + (lifeMs ?? (uses === 1 ? SINGLE_LIFE_MS : COUNTED_LIFE_MS))
  await db
    .insertInto('enrolment_tokens')
    .values({
      id,
      token_hash: tokenHash(token),
      uses,
      used: 0,
      created_at: now,
      expires_at: expiresAt,
      blocked_at: null,
    })
    .execute()
  return { id, token, expiresAt }
}

/**
 * Takes one use of a token. One statement, so that of any number of racers as many succeed as there
 * are uses; it counts when the caller's transaction commits.
 * @returns undefined when the token is unknown, used up, expired or blocked
 */
export async function consumeEnrolmentToken(trx: Db, token: string, now: number): Promise<TokenId | undefined> {
  const used = await trx
    .updateTable('enrolment_tokens')
    .set((eb) => ({ used: eb('used', '+', 1) }))
    .where('token_hash', '=', tokenHash(token))
    .where('blocked_at', 'is', null)
    .where('expires_at', '>', now)
    .where((eb) => eb('used', '<', eb.ref('uses')))
    .returning('id')
    .executeTakeFirst()
  return used?.id
}
