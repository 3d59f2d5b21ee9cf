/**
 * Slows guessing down, for each account and for each address, in all processes of the site.
 *
 * An attempt is counted before it is judged, so that guesses sent at once do not get in before the
 * first one has failed; a good one takes its count back.
 */
import { fail } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'

const ACCOUNT_FREE_FAILURES = 5
/** Short, since anybody can make somebody else's account wait. */
const ACCOUNT_LONGEST_MS = 60_000
const ADDRESS_FREE_FAILURES = 20
const ADDRESS_LONGEST_MS = 15 * 60_000
const FIRST_WAIT_MS = 1_000
/** Old failures are forgotten. */
const FORGET_MS = 24 * 3600_000

export interface Throttle {
  /** Counts an attempt. @throws ProblemError `SIGN_IN_THROTTLED` */
  attempt(account: string | undefined, address: string): Promise<void>
  /** It was a good one. */
  succeeded(account: string | undefined, address: string): Promise<void>
}

export function createThrottle({ db, clock }: { db: Kysely<Database>; clock: Clock }): Throttle {
  const keysOf = (account: string | undefined, address: string) => [
    ...(account === undefined
      ? []
      : [{ key: `account:${account}`, free: ACCOUNT_FREE_FAILURES, longestMs: ACCOUNT_LONGEST_MS }]),
    { key: `address:${address}`, free: ADDRESS_FREE_FAILURES, longestMs: ADDRESS_LONGEST_MS },
  ]
  return {
    async attempt(account, address) {
      const now = clock.now()
      const waitMs = await db.transaction().execute(async (trx) => {
        await trx
          .deleteFrom('sign_in_failures')
          .where('changed_at', '<', now - FORGET_MS)
          .execute()
        let longest = 0
        for (const { key, free, longestMs } of keysOf(account, address)) {
          const row = await trx
            .insertInto('sign_in_failures')
            .values({ key, failures: 1, blocked_until: 0, changed_at: now })
            .onConflict((conflict) =>
              conflict.column('key').doUpdateSet((eb) => ({
                // Who is made to wait and asks all the same does not wait longer.
                failures: eb
                  .case()
                  .when('sign_in_failures.blocked_until', '>', now)
                  .then(eb.ref('sign_in_failures.failures'))
                  .else(eb('sign_in_failures.failures', '+', 1))
                  .end(),
                changed_at: now,
              })),
            )
            .returning(['failures', 'blocked_until'])
            .executeTakeFirstOrThrow()
          longest = Math.max(longest, row.blocked_until - now)
          if (row.blocked_until > now || row.failures < free) continue
          const blocked = now + Math.min(longestMs, FIRST_WAIT_MS * 2 ** Math.min(row.failures - free, 20))
          await trx.updateTable('sign_in_failures').set({ blocked_until: blocked }).where('key', '=', key).execute()
        }
        return longest
      })
      if (waitMs > 0) fail('SIGN_IN_THROTTLED', `Wait ${Math.ceil(waitMs / 1000)} s.`, { retryAfterMs: waitMs })
    },

    async succeeded(account, address) {
      const keys = keysOf(account, address).map(({ key }) => key)
      await db.deleteFrom('sign_in_failures').where('key', 'in', keys).execute()
    },
  }
}
