/**
 * Pieces of work that one of several processes does at a time.
 *
 *   L1. A piece has an owner until a time that the owner keeps moving on. After it the piece is
 *       anybody's.
 *   L2. Every owner gets a number above all before. Whoever writes what it did confirms its number
 *       in the same transaction, so a process that was away too long can no longer write.
 */
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import { nextNumbers } from './counter.ts'
import type { Database, Db } from './database.ts'

export const LEASE_MS = 60_000
const BEAT_MS = LEASE_MS / 4

export interface Lease {
  /** Aborts when another process took the piece over, or it could not be renewed in time. */
  readonly signal: AbortSignal
  /** Keeps a transaction from committing when the piece is no longer ours (L2). */
  confirm(trx: Db): Promise<void>
  /** Lets the next one have it. */
  release(): Promise<void>
}

/**
 * Takes a piece of work; undefined when another has it. Renewed in the background until released.
 * @param owner names this process
 */
export async function takeLease(options: {
  db: Kysely<Database>
  clock: Clock
  name: string
  owner: string
}): Promise<Lease | undefined> {
  const { db, clock, name, owner } = options
  const fence = await db.transaction().execute(async (trx) => {
    const number = await nextNumbers(trx, 'fence', 1)
    const now = clock.now()
    const mine = { owner, fence: number, until: now + LEASE_MS }
    const taken = await trx
      .insertInto('leases')
      .values({ name, ...mine })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(mine).where('leases.until', '<', now))
      .returning('fence')
      .executeTakeFirst()
    return taken?.fence
  })
  if (fence === undefined) return undefined
  const lost = new AbortController()
  const held = (source: Db) =>
    source.updateTable('leases').where('name', '=', name).where('owner', '=', owner).where('fence', '=', fence)
  const renew = async (source: Db) => {
    const { numUpdatedRows } = await held(source)
      .set({ until: clock.now() + LEASE_MS })
      .executeTakeFirst()
    if (numUpdatedRows > 0n) return
    lost.abort(new Error(`another process took over: ${name}`))
    throw new Error(`another process took over: ${name}`)
  }
  let renewedAt = performance.now()
  let beat: Promise<void> = Promise.resolve()
  const timer = setInterval(() => {
    beat = renew(db).then(
      () => {
        renewedAt = performance.now()
      },
      () => {
        // A database that is away for as long as the lease holds makes it anybody's.
        if (performance.now() - renewedAt > LEASE_MS / 2) lost.abort(new Error(`could not be renewed: ${name}`))
      },
    )
  }, BEAT_MS)
  timer.unref()
  return {
    signal: lost.signal,
    confirm: renew,
    async release() {
      clearInterval(timer)
      await beat
      await db
        .deleteFrom('leases')
        .where('name', '=', name)
        .where('owner', '=', owner)
        .where('fence', '=', fence)
        .execute()
    },
  }
}
