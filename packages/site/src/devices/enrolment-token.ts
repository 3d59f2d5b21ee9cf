/** Tokens that let devices in: single-use or counted, with an end, kept as hashes only (SEC-04). */
import { type DeviceId, type DeviceTokenEntry, fail, type Page, type PageQuery, TokenId } from '@sluice/protocol'
import type { Selectable } from 'kysely'
import { changeConcerns } from '../administrators/audit/change.ts'
import { type Clock, timestamp } from '../clock.ts'
import type { Db } from '../db/database.ts'
import { countOf, pageFrom, timeKeyOf } from '../db/page.ts'
import type { DevicesTables } from '../db/schema/devices.ts'
import { newId, newToken, tokenHash } from '../identity/new-id.ts'

const HOUR_MS = 3600_000
const SINGLE_LIFE_MS = 24 * HOUR_MS
const COUNTED_LIFE_MS = 3 * 24 * HOUR_MS
const LISTED_DEVICES = 100

/** @param lifeMs by default 24 hours for one device, 3 days for several */
export async function createEnrolmentToken(
  { db, clock }: { db: Db; clock: Clock },
  { uses, lifeMs }: { uses: number; lifeMs?: number | undefined },
): Promise<{ id: TokenId; token: string; expiresAt: number }> {
  const id = newId('tok', TokenId)
  changeConcerns(id)
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

/** Newest first. */
export async function listEnrolmentTokens(
  { db, clock }: { db: Db; clock: Clock },
  { limit, cursor, total }: PageQuery,
): Promise<Page<DeviceTokenEntry>> {
  const before = timeKeyOf(cursor)
  let rows = db
    .selectFrom('enrolment_tokens')
    .selectAll()
    .orderBy('created_at', 'desc')
    .orderBy('id', 'desc')
    .limit(limit + 1)
  if (before !== undefined) {
    const [at, id] = before
    rows = rows.where((eb) => eb(eb.refTuple('created_at', 'id'), '<', eb.tuple(at, id as TokenId)))
  }
  const page = pageFrom(await rows.execute(), limit, (row) => [row.created_at, row.id])
  const items = await Promise.all(page.items.map((row) => entryOf(db, row, clock.now())))
  return { ...page, items, ...(total ? { total: await countOf(db, 'enrolment_tokens') } : {}) }
}

/** For good; a use that commits first counts. `NOT_FOUND` */
export async function blockEnrolmentToken(
  { db, clock }: { db: Db; clock: Clock },
  id: TokenId,
): Promise<DeviceTokenEntry> {
  const row = await db
    .updateTable('enrolment_tokens')
    .set((eb) => ({ blocked_at: eb.fn.coalesce('blocked_at', eb.val(clock.now())) }))
    .where('id', '=', id)
    .returningAll()
    .executeTakeFirst()
  return row === undefined ? fail('NOT_FOUND', `There is no token ${id}.`) : await entryOf(db, row, clock.now())
}

async function entryOf(db: Db, row: Selectable<DevicesTables['enrolment_tokens']>, now: number) {
  const devices: { device_id: DeviceId; used_at: number }[] =
    row.used === 0
      ? []
      : await db
          .selectFrom('token_uses')
          .select(['device_id', 'used_at'])
          .where('token_id', '=', row.id)
          .orderBy('used_at')
          .orderBy('device_id')
          .limit(LISTED_DEVICES)
          .execute()
  const entry: DeviceTokenEntry = {
    id: row.id,
    state: stateOf(row, now),
    uses: row.uses,
    used: row.used,
    createdAt: timestamp(row.created_at),
    expiresAt: timestamp(row.expires_at),
    ...(row.blocked_at === null ? {} : { blockedAt: timestamp(row.blocked_at) }),
    devices: devices.map(({ device_id, used_at }) => ({ deviceId: device_id, at: timestamp(used_at) })),
  }
  return entry
}

/** The first reason for which it lets nobody in. */
function stateOf(
  { uses, used, expires_at, blocked_at }: Selectable<DevicesTables['enrolment_tokens']>,
  now: number,
): DeviceTokenEntry['state'] {
  if (blocked_at !== null) return 'blocked'
  if (used >= uses) return 'usedUp'
  return expires_at <= now ? 'expired' : 'open'
}
