/** Everything about who administers: proof of identity, permissions, scopes, audit. */
import type { SiteId } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { SigningKey } from '../keys/keyring.ts'
import type { Log } from '../log.ts'
import type { Actor } from './actor.ts'
import { type ApiTokens, createApiTokens } from './api-tokens.ts'
import { type Audit, createAudit } from './audit/audit.ts'
import { createGate, type Gate } from './gate.ts'
import { createScope } from './scope.ts'

export interface Administration {
  apiTokens: ApiTokens
  audit: Audit
  gate: Gate
  /** Who a request of the admin API comes from; undefined: nobody. */
  authenticate(request: Request): Promise<Actor | undefined>
}

export function createAdministration(options: {
  db: Kysely<Database>
  clock: Clock
  log: Log
  siteId: SiteId
  auditKey: SigningKey
}): Administration {
  const { db, clock, log, siteId, auditKey } = options
  const audit = createAudit({ db, clock, key: auditKey, siteId, log })
  const apiTokens = createApiTokens({ db, clock })
  return {
    apiTokens,
    audit,
    gate: createGate({ audit, clock, scope: createScope({ db }) }),
    async authenticate({ headers }) {
      const token = /^Bearer ([A-Za-z0-9_-]{1,200})$/.exec(headers.get('authorization') ?? '')?.[1]
      return token === undefined ? undefined : await apiTokens.actorOf(token)
    },
  }
}
