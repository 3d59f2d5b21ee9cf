/** Tokens with which programs use the admin API: kept as hashes, with an end, bound to roles and scope. */
import { type ApiTokenCreate, ApiTokenId, type ApiTokenInfo, fail } from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import type { z } from 'zod'
import { type Clock, timestamp } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { AdministratorsTables } from '../db/schema/administrators.ts'
import { newId, newToken, tokenHash } from '../identity/new-id.ts'
import { type Actor, DATA_FOLDER, grantColumns, requireWithin, storedGrant } from './actor.ts'
import { changeConcerns } from './audit/change.ts'

/** A token that is used more often is not written down each time. */
const USED_RESOLUTION_MS = 60_000
const LISTED_TOKENS = 1_000

export interface ApiTokens {
  list(): Promise<ApiTokenInfo[]>
  /** @throws ProblemError `FORBIDDEN` for more than the maker himself may */
  create(actor: Actor, request: z.output<typeof ApiTokenCreate>): Promise<{ token: string; info: ApiTokenInfo }>
  /** For good. `NOT_FOUND`, `FORBIDDEN` */
  revoke(actor: Actor, id: ApiTokenId): Promise<ApiTokenInfo>
  /** Who comes with this token; undefined: nobody. Looks it up by its hash, so the time it takes tells nothing. */
  actorOf(token: string): Promise<Actor | undefined>
}

export function createApiTokens({ db, clock }: { db: Kysely<Database>; clock: Clock }): ApiTokens {
  async function row(id: ApiTokenId) {
    const found = await db.selectFrom('api_tokens').selectAll().where('id', '=', id).executeTakeFirst()
    return found ?? fail('NOT_FOUND', `There is no token ${id}.`)
  }

  return {
    async list() {
      const rows = await db
        .selectFrom('api_tokens')
        .selectAll()
        .orderBy('created_at', 'desc')
        .orderBy('id')
        .limit(LISTED_TOKENS)
        .execute()
      return rows.map(tokenInfo)
    },

    async create(actor, { name, lifeMs, ...grant }) {
      requireWithin(actor, grant)
      const id = newId('api', ApiTokenId)
      const token = newToken()
      changeConcerns(id)
      const now = clock.now()
      await db
        .insertInto('api_tokens')
        .values({
          ...{ id, name, token_hash: tokenHash(token), ...grantColumns(grant) },
          ...{ created_at: now, expires_at: now + lifeMs, made_by: actor.kind === 'token' ? actor.owner : actor.id },
        })
        .execute()
      return { token, info: tokenInfo(await row(id)) }
    },

    async revoke(actor, id) {
      const found = await row(id)
      requireWithin(actor, storedGrant(found))
      await db
        .updateTable('api_tokens')
        .set({ revoked_at: clock.now() })
        .where('id', '=', id)
        .where('revoked_at', 'is', null)
        .execute()
      return tokenInfo(await row(id))
    },

    async actorOf(token) {
      const now = clock.now()
      const found = await db
        .selectFrom('api_tokens')
        .selectAll()
        .where('token_hash', '=', tokenHash(token))
        .where('revoked_at', 'is', null)
        .where((eb) => eb.or([eb('expires_at', 'is', null), eb('expires_at', '>', now)]))
        .executeTakeFirst()
      if (found === undefined) return undefined
      if (found.last_used_at === null || found.last_used_at <= now - USED_RESOLUTION_MS)
        await db.updateTable('api_tokens').set({ last_used_at: now }).where('id', '=', found.id).execute()
      // Who made older ones is not known: together they are one person.
      const owner = found.made_by ?? DATA_FOLDER
      return { kind: 'token', id: found.id, name: found.name, owner, ...storedGrant(found) }
    },
  }
}

function tokenInfo(row: Selectable<AdministratorsTables['api_tokens']>): ApiTokenInfo {
  return {
    id: row.id,
    name: row.name,
    ...storedGrant(row),
    createdAt: timestamp(row.created_at),
    ...(row.expires_at === null ? {} : { expiresAt: timestamp(row.expires_at) }),
    ...(row.last_used_at === null ? {} : { lastUsedAt: timestamp(row.last_used_at) }),
    ...(row.revoked_at === null ? {} : { revokedAt: timestamp(row.revoked_at) }),
  }
}
