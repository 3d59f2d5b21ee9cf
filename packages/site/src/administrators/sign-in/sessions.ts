/** Sessions of people: a random token, kept as its hash, with an idle and an absolute end. */
import { type Account, type AdministratorId, SESSION_COOKIE } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { type Clock, timestamp } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { AdministratorsTables } from '../../db/schema/administrators.ts'
import { newToken, tokenHash } from '../../identity/new-id.ts'
import { type Actor, storedGrant } from '../actor.ts'

const LONGEST_MS = 12 * 3600_000
const COOKIE_IDLE_MS = 30 * 60_000
const BEARER_IDLE_MS = 2 * 3600_000
/** A session that is used more often is not written down each time. */
const SEEN_RESOLUTION_MS = 60_000

type Row = AdministratorsTables['admin_sessions']
export type SessionKind = Row['kind']

export interface Sessions {
  /** In the transaction of the sign-in. @returns the token, shown once */
  begin(
    trx: Transaction<Database>,
    session: { administratorId: AdministratorId; kind: SessionKind; way: Row['way']; address: string },
  ): Promise<{ token: string; expiresAt: number }>
  /** Who comes with this token; undefined: nobody, or it ended. */
  actorOf(token: string, kind: SessionKind): Promise<Actor | undefined>
  list(administratorId: AdministratorId, presentId: string): Promise<Account['sessions']>
  end(token: string): Promise<void>
}

export function createSessions({ db, clock }: { db: Kysely<Database>; clock: Clock }): Sessions {
  const isOver = (row: Pick<Row, 'kind' | 'created_at' | 'last_seen_at'>, now: number) =>
    now >= row.created_at + LONGEST_MS ||
    now >= row.last_seen_at + (row.kind === 'cookie' ? COOKIE_IDLE_MS : BEARER_IDLE_MS)

  return {
    async begin(trx, { administratorId, kind, way, address }) {
      const token = newToken()
      const now = clock.now()
      await trx
        .deleteFrom('admin_sessions')
        .where('created_at', '<=', now - LONGEST_MS)
        .execute()
      await trx
        .insertInto('admin_sessions')
        .values({
          ...{ id: tokenHash(token).slice(0, 20), token_hash: tokenHash(token), administrator_id: administratorId },
          ...{ kind, way, address, created_at: now, last_seen_at: now },
        })
        .execute()
      return { token, expiresAt: now + LONGEST_MS }
    },

    async actorOf(token, kind) {
      const now = clock.now()
      const row = await db
        .selectFrom('admin_sessions as session')
        .innerJoin('administrators as who', 'who.id', 'session.administrator_id')
        .select(['session.id as session_id', 'session.kind', 'session.created_at', 'session.last_seen_at'])
        .select(['who.id', 'who.name', 'who.roles', 'who.collections'])
        .where('session.token_hash', '=', tokenHash(token))
        .where('session.kind', '=', kind)
        .where('who.state', '=', 'active')
        .executeTakeFirst()
      if (row === undefined) return undefined
      if (isOver(row, now)) {
        await db.deleteFrom('admin_sessions').where('id', '=', row.session_id).execute()
        return undefined
      }
      if (row.last_seen_at <= now - SEEN_RESOLUTION_MS)
        await db.updateTable('admin_sessions').set({ last_seen_at: now }).where('id', '=', row.session_id).execute()
      const { id, name, session_id, created_at } = row
      return { kind: 'administrator', id, name, sessionId: session_id, signedInAt: created_at, ...storedGrant(row) }
    },

    async list(administratorId, presentId) {
      const rows = await db
        .selectFrom('admin_sessions')
        .selectAll()
        .where('administrator_id', '=', administratorId)
        .orderBy('created_at', 'desc')
        .limit(100)
        .execute()
      const now = clock.now()
      return rows
        .filter((row) => !isOver(row, now))
        .map(({ id, way, address, created_at, last_seen_at }) => ({
          ...{ id, present: id === presentId, way, address },
          ...{ createdAt: timestamp(created_at), lastSeenAt: timestamp(last_seen_at) },
        }))
    },

    async end(token) {
      await db.deleteFrom('admin_sessions').where('token_hash', '=', tokenHash(token)).execute()
    },
  }
}

/** No `Max-Age`: it goes with the browser; the site ends it earlier. */
export const sessionCookie = (token: string): string =>
  `${SESSION_COOKIE}=${token}; Path=/; Secure; HttpOnly; SameSite=Strict`
export const NO_SESSION_COOKIE = `${SESSION_COOKIE}=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0`

/** Value of a cookie; names are exact. */
export function cookieIn(headers: Headers, name: string): string | undefined {
  for (const part of (headers.get('cookie') ?? '').split(';')) {
    const at = part.indexOf('=')
    if (part.slice(0, at).trim() === name) {
      const value = part.slice(at + 1).trim()
      return /^[A-Za-z0-9_-]{1,200}$/.test(value) ? value : undefined
    }
  }
  return undefined
}
