/**
 * Proving who one is, and the session that comes of it.
 *
 * 1. A refusal says nothing about which part was wrong, and takes as long whether the name is known.
 * 2. Attempts are slowed down before they are judged (`throttle.ts`).
 * 3. The session and its entry in the audit are durable together.
 */
import { type AdministratorId, fail, type SignedIn } from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import { type Clock, timestamp } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Vault } from '../../secrets/vault.ts'
import type { Audit } from '../audit/audit.ts'
import type { Invitations } from './invitations.ts'
import type { Passkeys } from './passkeys.ts'
import type { Passwords } from './password.ts'
import type { SessionKind, Sessions } from './sessions.ts'
import type { SignOn } from './sign-on.ts'
import type { Throttle } from './throttle.ts'
import { takeCode, totpPurpose } from './totp.ts'

/** With the token of the session, for the cookie or the answer. */
export type Begun = Required<SignedIn>

export interface SignIn {
  password(
    given: { name: string; password: string; code?: string | undefined },
    kind: SessionKind,
    address: string,
  ): Promise<Begun>
  invitation(
    given: { code: string; name?: string | undefined; password: string },
    kind: SessionKind,
    address: string,
  ): Promise<Begun>
  passkey(answer: { challenge: string; response: Record<string, unknown> }, address: string): Promise<Begun>
  signOn(challenge: string, returned: URL, address: string): Promise<Begun>
}

interface Person {
  id: AdministratorId
  name: string
}
type Way = 'password' | 'invitation' | 'passkey' | 'signOn'

export function createSignIn(options: {
  db: Kysely<Database>
  clock: Clock
  audit: Audit
  passwords: Passwords
  throttle: Throttle
  invitations: Invitations
  passkeys: Passkeys
  sessions: Sessions
  signOn: SignOn | undefined
  vault: Vault
}): SignIn {
  const { db, clock, audit, vault, passwords, throttle, invitations, passkeys, sessions, signOn } = options

  /** 3. */
  async function begin(
    trx: Transaction<Database>,
    { id, name }: Person,
    { kind, way, address }: { kind: SessionKind; way: Way; address: string },
  ): Promise<Begun> {
    const { token, expiresAt } = await sessions.begin(trx, { administratorId: id, kind, way, address })
    const actor = { kind: 'administrator', id, name } as const
    await audit.recordIn(trx, { actor, from: address, action: 'signIn', subject: id, outcome: 'done', after: { way } })
    return { name, token, expiresAt: timestamp(expiresAt) }
  }

  /** 1. */
  async function refuse(person: Person | undefined, address: string, way: Way, detail: string): Promise<never> {
    if (person !== undefined)
      await audit.record({
        actor: { kind: 'nobody', id: '', name: '' },
        ...{ from: address, action: 'signIn', subject: person.id, outcome: 'SIGN_IN_REFUSED', after: { way } },
      })
    return fail('SIGN_IN_REFUSED', detail)
  }

  const active = (id: AdministratorId) =>
    db
      .selectFrom('administrators')
      .select(['id', 'name'])
      .where('id', '=', id)
      .where('state', '=', 'active')
      .executeTakeFirst()

  return {
    async password({ name: typed, password, code }, kind, address) {
      const name = typed.normalize('NFC').toLowerCase().trim()
      await throttle.attempt(name, address) // 2.
      const row = await db.selectFrom('administrators').selectAll().where('name', '=', name).executeTakeFirst()
      const judged = await passwords.verify(row?.password_hash ?? undefined, password)
      const wrong = 'Name, password or code is wrong.'
      if (row === undefined || judged === 'wrong' || row.state !== 'active')
        return await refuse(row, address, 'password', wrong)
      const { id, totp_secret } = row
      if (totp_secret !== null && code === undefined)
        fail('SECOND_FACTOR_NEEDED', 'Give the code that the authenticator app shows now, or a recovery code.')
      const hash = judged === 'outdated' ? await passwords.hash(password) : undefined
      const begun = await db.transaction().execute(async (trx) => {
        if (
          totp_secret !== null &&
          !(await takeCode(trx, id, vault.open(totpPurpose(id), totp_secret), code ?? '', clock.now()))
        )
          return undefined
        if (hash !== undefined)
          await trx.updateTable('administrators').set({ password_hash: hash }).where('id', '=', id).execute()
        return await begin(trx, { id, name }, { kind, way: 'password', address })
      })
      if (begun === undefined) return await refuse(row, address, 'password', wrong)
      await throttle.succeeded(name, address)
      return begun
    },

    async invitation({ code, name, password }, kind, address) {
      await throttle.attempt(undefined, address)
      // Before the costly part.
      if (!(await invitations.isOpen(code))) fail('INVITATION_REFUSED', 'Ask for another one.')
      const passwordHash = await passwords.hash(password)
      const begun = await db.transaction().execute(async (trx) => {
        const person = await invitations.accept(trx, { code, name, passwordHash })
        return await begin(trx, person, { kind, way: 'invitation', address })
      })
      await throttle.succeeded(undefined, address)
      return begun
    },

    async passkey(answer, address) {
      await throttle.attempt(undefined, address)
      const person = await active(await passkeys.signIn(answer))
      if (person === undefined)
        return await refuse(undefined, address, 'passkey', 'The site does not know this passkey.')
      const begun = await db
        .transaction()
        .execute((trx) => begin(trx, person, { kind: 'cookie', way: 'passkey', address }))
      await throttle.succeeded(undefined, address)
      return begun
    },

    async signOn(challenge, returned, address) {
      if (signOn === undefined) return fail('NOT_FOUND', 'No sign-on is set up.')
      const subject = await signOn.end(challenge, returned)
      const row = await db
        .selectFrom('administrators')
        .select(['id', 'name'])
        .where('sign_on_subject', '=', subject)
        .where('state', '=', 'active')
        .executeTakeFirst()
      if (row === undefined)
        return await refuse(
          undefined,
          address,
          'signOn',
          `Nobody here is ${subject} at ${signOn.name}. An administrator can say who is: sluice admins change <name> --subject ${subject}`,
        )
      return await db.transaction().execute((trx) => begin(trx, row, { kind: 'cookie', way: 'signOn', address }))
    },
  }
}
