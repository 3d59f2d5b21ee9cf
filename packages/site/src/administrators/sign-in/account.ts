/** What is one's own: password, second factor, passkeys, sessions. */
import { type Account, fail, type TotpStart } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Vault } from '../../secrets/vault.ts'
import type { Actor } from '../actor.ts'
import type { Passkeys } from './passkeys.ts'
import type { Passwords } from './password.ts'
import { qrRows } from './qr-code.ts'
import type { Sessions } from './sessions.ts'
import { newRecoveryCodes, newTotpSecret, totpPurpose, totpStep, totpUri } from './totp.ts'

export type Person = Extract<Actor, { kind: 'administrator' }>

export interface OwnAccount {
  show(person: Person): Promise<Account>
  /** Ends all other sessions. @throws ProblemError `SIGN_IN_REFUSED` */
  changePassword(person: Person, password: string, newPassword: string): Promise<Account>
  startTotp(person: Person): Promise<TotpStart>
  /** @throws ProblemError `SIGN_IN_REFUSED` */
  confirmTotp(person: Person, code: string): Promise<{ recoveryCodes: string[] }>
  /** `NOT_FOUND` */
  endSession(person: Person, id: string): Promise<void>
}

export function createOwnAccount(options: {
  db: Kysely<Database>
  clock: Clock
  passwords: Passwords
  passkeys: Passkeys
  sessions: Sessions
  vault: Vault
  siteName: string
}): OwnAccount {
  const { db, clock, passwords, passkeys, sessions, vault, siteName } = options
  const rowOf = ({ id }: Person) =>
    db.selectFrom('administrators').selectAll().where('id', '=', id).executeTakeFirstOrThrow()

  async function show(person: Person): Promise<Account> {
    const row = await rowOf(person)
    const codes = await db
      .selectFrom('admin_recovery_codes')
      .select('code_hash')
      .where('administrator_id', '=', person.id)
      .execute()
    return {
      password: row.password_hash !== null,
      totp: row.totp_secret !== null,
      recoveryCodes: codes.length,
      passkeys: await passkeys.list(person.id),
      sessions: await sessions.list(person.id, person.sessionId),
    }
  }

  return {
    show,
    async changePassword(person, password, newPassword) {
      const { password_hash } = await rowOf(person)
      if (password_hash !== null && (await passwords.verify(password_hash, password)) === 'wrong')
        fail('SIGN_IN_REFUSED', 'The present password is another one.')
      const hash = await passwords.hash(newPassword)
      await db.transaction().execute(async (trx) => {
        await trx.updateTable('administrators').set({ password_hash: hash }).where('id', '=', person.id).execute()
        await trx
          .deleteFrom('admin_sessions')
          .where('administrator_id', '=', person.id)
          .where('id', '!=', person.sessionId)
          .execute()
      })
      return await show(person)
    },

    async startTotp(person) {
      const secret = newTotpSecret()
      const totp_pending = vault.seal(totpPurpose(person.id), secret)
      await db.updateTable('administrators').set({ totp_pending }).where('id', '=', person.id).execute()
      const uri = totpUri(secret, siteName, person.name)
      const qr = qrRows(uri)
      return { secret, uri, ...(qr === undefined ? {} : { qr }) }
    },

    async confirmTotp(person, code) {
      return await db.transaction().execute(async (trx) => {
        const { totp_pending } = await trx
          .selectFrom('administrators')
          .select('totp_pending')
          .where('id', '=', person.id)
          .executeTakeFirstOrThrow()
        const step =
          totp_pending === null
            ? undefined
            : totpStep(vault.open(totpPurpose(person.id), totp_pending), code, clock.now())
        if (step === undefined) return fail('SIGN_IN_REFUSED', 'This is not the code that the app should show now.')
        await trx
          .updateTable('administrators')
          .set({ totp_secret: totp_pending, totp_pending: null, totp_last_step: step })
          .where('id', '=', person.id)
          .execute()
        return { recoveryCodes: await newRecoveryCodes(trx, person.id) }
      })
    },

    async endSession({ id: own }, id) {
      const { numDeletedRows } = await db
        .deleteFrom('admin_sessions')
        .where('administrator_id', '=', own)
        .where('id', '=', id)
        .executeTakeFirst()
      if (numDeletedRows === 0n) fail('NOT_FOUND', 'There is no such session.')
    },
  }
}
