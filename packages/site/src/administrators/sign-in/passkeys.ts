/** Passkeys (WebAuthn Level 3): made by an administrator who is signed in, and enough to sign in alone. */

import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { type AdministratorId, fail, type PasskeyInfo } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import { z } from 'zod'
import { type Clock, timestamp } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { Challenges } from './challenges.ts'

const MAX_PASSKEYS = 20

export interface Passkeys {
  list(id: AdministratorId): Promise<z.output<typeof PasskeyInfo>[]>
  addQuestion(id: AdministratorId, name: string): Promise<Question>
  /** @throws ProblemError `SIGN_IN_REFUSED` */
  add(id: AdministratorId, answer: Answer & { name: string }): Promise<z.output<typeof PasskeyInfo>>
  /** `NOT_FOUND` */
  remove(id: AdministratorId, passkey: string): Promise<void>
  signInQuestion(): Promise<Question>
  /** @throws ProblemError `SIGN_IN_REFUSED` */
  signIn(answer: Answer): Promise<AdministratorId>
}

interface Question {
  challenge: string
  options: Record<string, unknown>
}
interface Answer {
  challenge: string
  response: Record<string, unknown>
}

const Adding = z.object({ kind: z.literal('add'), administrator: z.string(), challenge: z.string() })
const SigningIn = z.object({ kind: z.literal('signIn'), challenge: z.string() })

export function createPasskeys(options: {
  db: Kysely<Database>
  clock: Clock
  challenges: Challenges
  /** Of the pages. */
  origin(): string
  siteName: string
}): Passkeys {
  const { db, clock, challenges, origin, siteName } = options
  const rpId = () => new URL(origin()).hostname
  const refused = (cause?: unknown): never =>
    fail(
      'SIGN_IN_REFUSED',
      cause instanceof Error ? `The passkey: ${cause.message}` : 'The site does not know this passkey.',
    )

  return {
    async list(id) {
      const rows = await db
        .selectFrom('admin_passkeys')
        .select(['id', 'name', 'created_at'])
        .where('administrator_id', '=', id)
        .orderBy('created_at')
        .execute()
      return rows.map((row) => ({ id: row.id, name: row.name, createdAt: timestamp(row.created_at) }))
    },

    async addQuestion(id, name) {
      const known = await db.selectFrom('admin_passkeys').select('id').where('administrator_id', '=', id).execute()
      if (known.length >= MAX_PASSKEYS) fail('CONFLICT', `There are ${MAX_PASSKEYS} passkeys already; remove one.`)
      const question = await generateRegistrationOptions({
        ...{ rpName: siteName, rpID: rpId(), userName: name, userID: new TextEncoder().encode(id) },
        excludeCredentials: known,
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      })
      const secret = await challenges.put({ kind: 'add', administrator: id, challenge: question.challenge })
      return { challenge: secret, options: { ...question } }
    },

    async add(id, { challenge, name, response }) {
      const begun = await challenges.take(challenge, Adding)
      if (begun === undefined || begun.administrator !== id) return refused()
      const { registrationInfo } = await verifyRegistrationResponse({
        // Checked by the library, field by field.
        response: response as unknown as RegistrationResponseJSON,
        ...{ expectedChallenge: begun.challenge, expectedOrigin: origin(), expectedRPID: rpId() },
      }).catch(refused)
      if (registrationInfo === undefined) return refused()
      const { credential } = registrationInfo
      const created = clock.now()
      await db
        .insertInto('admin_passkeys')
        .values({
          ...{ id: credential.id, administrator_id: id, name, created_at: created },
          ...{ public_key: credential.publicKey, counter: credential.counter },
        })
        .execute()
      return { id: credential.id, name, createdAt: timestamp(created) }
    },

    async remove(id, passkey) {
      const { numDeletedRows } = await db
        .deleteFrom('admin_passkeys')
        .where('id', '=', passkey)
        .where('administrator_id', '=', id)
        .executeTakeFirst()
      if (numDeletedRows === 0n) fail('NOT_FOUND', 'There is no such passkey.')
    },

    async signInQuestion() {
      // No credential is named: the device offers those that it has, and nothing is said about accounts.
      const question = await generateAuthenticationOptions({ rpID: rpId(), userVerification: 'required' })
      const secret = await challenges.put({ kind: 'signIn', challenge: question.challenge })
      return { challenge: secret, options: { ...question } }
    },

    async signIn({ challenge, response }) {
      const begun = await challenges.take(challenge, SigningIn)
      const id = z.string().max(2_000).safeParse(response.id)
      const known = await db
        .selectFrom('admin_passkeys')
        .selectAll()
        .where('id', '=', id.data ?? '')
        .executeTakeFirst()
      if (begun === undefined || known === undefined) return refused()
      const { verified, authenticationInfo } = await verifyAuthenticationResponse({
        response: response as unknown as AuthenticationResponseJSON,
        ...{ expectedChallenge: begun.challenge, expectedOrigin: origin(), expectedRPID: rpId() },
        credential: { id: known.id, publicKey: new Uint8Array(known.public_key), counter: known.counter },
      }).catch(refused)
      if (!verified) return refused()
      await db
        .updateTable('admin_passkeys')
        .set({ counter: authenticationInfo.newCounter })
        .where('id', '=', known.id)
        .execute()
      return known.administrator_id
    },
  }
}
