/** The epoch of policy: raised when the site's database is restored from a backup (design §5). */
import type { Kysely } from 'kysely'
import { nextNumbers } from '../db/counter.ts'
import type { Database } from '../db/database.ts'

export const EPOCH_COUNTER = 'policy epoch'

/**
 * Raises the epoch, so that devices do not take the policies of the restored site for a replay. It
 * rises with the clock: the same backup may be restored twice.
 * @param now milliseconds since 1970
 */
export async function raisePolicyEpoch(db: Kysely<Database>, now: number): Promise<number> {
  return await db.transaction().execute(async (trx) => {
    const value = Math.max(await nextNumbers(trx, EPOCH_COUNTER, 1), Math.floor(now / 1000))
    await trx.updateTable('counters').set({ value }).where('name', '=', EPOCH_COUNTER).execute()
    return value
  })
}
