/** The accounts of administrators, as other administrators see and change them. */
import {
  type AdministratorChange,
  AdministratorId,
  type AdministratorInfo,
  fail,
  type Grant,
  type Invitation,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import type { z } from 'zod'
import { type Clock, timestamp } from '../clock.ts'
import type { Database } from '../db/database.ts'
import type { AdministratorsTables } from '../db/schema/administrators.ts'
import { isUniqueViolation } from '../db/violation.ts'
import { newId } from '../identity/new-id.ts'
import { type Actor, grantColumns, requireWithin, storedGrant } from './actor.ts'
import { changeConcerns } from './audit/change.ts'
import type { Invitations } from './sign-in/invitations.ts'

type Row = Selectable<AdministratorsTables['administrators']>

export interface Accounts {
  list(): Promise<AdministratorInfo[]>
  /** @throws ProblemError `CONFLICT`, `FORBIDDEN` */
  invite(actor: Actor, request: Grant & { name: string }): Promise<z.output<typeof Invitation>>
  /** @throws ProblemError `NOT_FOUND`, `FORBIDDEN`, `CONFLICT` */
  change(actor: Actor, id: AdministratorId, change: z.output<typeof AdministratorChange>): Promise<AdministratorInfo>
  reset(actor: Actor, id: AdministratorId): Promise<z.output<typeof Invitation>>
}

export function createAccounts(options: { db: Kysely<Database>; clock: Clock; invitations: Invitations }): Accounts {
  const { db, clock, invitations } = options

  async function infos(rows: Row[]): Promise<AdministratorInfo[]> {
    const passkeys = await db
      .selectFrom('admin_passkeys')
      .select(['administrator_id', (eb) => eb.fn.countAll<number>().as('count')])
      .groupBy('administrator_id')
      .execute()
    const counts = new Map(passkeys.map((one) => [one.administrator_id, Number(one.count)]))
    return rows.map((row) => ({
      ...{ id: row.id, name: row.name, state: row.state, ...storedGrant(row) },
      ...{ password: row.password_hash !== null, totp: row.totp_secret !== null, passkeys: counts.get(row.id) ?? 0 },
      ...(row.sign_on_subject === null ? {} : { signOnSubject: row.sign_on_subject }),
      createdAt: timestamp(row.created_at),
    }))
  }

  async function rowOf(id: AdministratorId): Promise<Row> {
    const row = await db.selectFrom('administrators').selectAll().where('id', '=', id).executeTakeFirst()
    return row ?? fail('NOT_FOUND', `There is no administrator ${id}.`)
  }

  async function info(id: AdministratorId): Promise<AdministratorInfo> {
    const [one] = await infos([await rowOf(id)])
    return one ?? fail('NOT_FOUND', `There is no administrator ${id}.`)
  }

  /** Somebody else, who has nothing that the actor has not. */
  async function other(actor: Actor, id: AdministratorId): Promise<Row> {
    const row = await rowOf(id)
    if (actor.id === id)
      fail('FORBIDDEN', 'Nobody changes his own roles or shuts himself out; ask another administrator.')
    requireWithin(actor, storedGrant(row))
    return row
  }

  return {
    list: async () => infos(await db.selectFrom('administrators').selectAll().orderBy('name').execute()),

    async invite(actor, { name, ...grant }) {
      requireWithin(actor, grant)
      const id = newId('adm', AdministratorId)
      changeConcerns(id)
      try {
        const invited = await db.transaction().execute(async (trx) => {
          await trx
            .insertInto('administrators')
            .values({ id, name, state: 'invited', ...grantColumns(grant), created_at: clock.now() })
            .execute()
          return await invitations.make(trx, id)
        })
        return { administrator: await info(id), ...invited }
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', `There is an administrator ${name} already.`)
        throw error
      }
    },

    async change(actor, id, { roles, collections, disabled, signOnSubject }) {
      const row = await other(actor, id)
      const before = storedGrant(row)
      const wanted = collections === undefined ? before.collections : (collections ?? undefined)
      const grant: Grant = { roles: roles ?? before.roles, ...(wanted === undefined ? {} : { collections: wanted }) }
      requireWithin(actor, grant)
      const canSignIn = row.password_hash !== null || (signOnSubject ?? row.sign_on_subject) !== null
      const state =
        disabled === true
          ? 'disabled'
          : disabled === undefined && row.state === 'disabled'
            ? 'disabled'
            : canSignIn
              ? 'active'
              : 'invited'
      try {
        await db.transaction().execute(async (trx) => {
          await trx
            .updateTable('administrators')
            .set({
              ...{ ...grantColumns(grant), state },
              ...(signOnSubject === undefined ? {} : { sign_on_subject: signOnSubject }),
            })
            .where('id', '=', id)
            .execute()
          if (state !== 'active') await trx.deleteFrom('admin_sessions').where('administrator_id', '=', id).execute()
        })
      } catch (error) {
        if (isUniqueViolation(error)) fail('CONFLICT', 'Another administrator has this subject.')
        throw error
      }
      return await info(id)
    },

    async reset(actor, id) {
      await other(actor, id)
      const invited = await db.transaction().execute(async (trx) => {
        await trx
          .updateTable('administrators')
          .set({ state: 'invited', password_hash: null, totp_secret: null, totp_pending: null })
          .where('id', '=', id)
          .execute()
        for (const table of ['admin_sessions', 'admin_passkeys', 'admin_recovery_codes'] as const)
          await trx.deleteFrom(table).where('administrator_id', '=', id).execute()
        return await invitations.make(trx, id)
      })
      return { administrator: await info(id), ...invited }
    },
  }
}
