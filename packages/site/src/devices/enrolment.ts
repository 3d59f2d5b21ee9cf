/**
 * How a computer becomes a device (routes `enrol` and `renew`).
 *
 * Owns who gets a certificate. Does not own what is in one (identity), nor tokens' making.
 *
 * 1. A public key is one device, for ever: asking again gives the same device, and a lost answer
 *    costs no token.
 * 2. A token is consumed in the transaction that approves the device, or not at all (SEC-03).
 * 3. A certificate only goes to the key that was enrolled, with proof that the sender has it. So a
 *    gateway, which sees requests in clear, cannot put its own key into a renewal.
 * 4. What is sealed to a device goes to the seal key of its first request; whoever repeats the
 *    request with another one is somebody else.
 * 5. A pending device gets nothing but the word that it is pending.
 * 6. A certificate of the organisation's PKI stands in the place of a token where the settings say so; it binds
 *    the device key by a signature. A device that registered so renews only while that certificate is good.
 * 7. So does a sign-in of the device's user; who signed in is remembered with the device.
 */

import {
  DeviceId,
  type EnrolmentAnswer,
  type EnrolmentRequest,
  fail,
  ProblemError,
  type RenewalAnswer,
  type SiteTrust,
} from '@sluice/protocol'
import type { Kysely, Transaction } from 'kysely'
import type { Clock } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { isUniqueViolation } from '../db/violation.ts'
import type { DeviceHandlers } from '../device-plane/handler.ts'
import { type CertificateRequest, readCertificateRequest } from '../identity/certificate-request.ts'
import { newId } from '../identity/new-id.ts'
import type { Organisation, Registration } from '../identity/organisation.ts'
import type { SiteIdentity } from '../identity/site-identity.ts'
import type { Log } from '../log.ts'
import type { RequireDevice } from './admission.ts'
import { consumeEnrolmentToken } from './enrolment-token.ts'
import type { SignedIn, SignIns } from './sign-in.ts'

/** How soon a pending device asks again. */
const PENDING_RETRY_MS = 10_000
/** Anybody can ask to be let in; beyond this many nobody is reading the list anyway. */
const MAX_PENDING = 10_000

/** What stands for a computer that comes, besides a token. */
interface Voucher {
  /** By its certificate of the organisation (6). */
  registered: Registration | undefined
  /** By a person (7). */
  signedIn: (SignedIn & { state: 'signedIn' }) | undefined
}

export interface EnrolmentOptions {
  db: Kysely<Database>
  identity: SiteIdentity
  clock: Clock
  log: Log
  requireDevice: RequireDevice
  organisation: Pick<Organisation, 'check' | 'remember' | 'requireGood'>
  signIns: SignIns
  /** What an approved device trusts from now on. */
  trust(): Promise<SiteTrust>
}

export function createEnrolment(options: EnrolmentOptions): Pick<DeviceHandlers, 'enrol' | 'signIn' | 'renew'> {
  const { db, identity, clock, log, requireDevice, organisation, signIns, trust } = options

  /** @returns undefined when somebody else was faster with the same key or token: look again */
  async function decide(
    key: CertificateRequest,
    request: EnrolmentRequest,
    voucher: Voucher,
  ): Promise<{ id: DeviceId; state: 'pending' | 'approved' } | undefined> {
    try {
      return await db.transaction().execute(async (trx) => {
        const known = await trx
          .selectFrom('devices')
          .select(['id', 'state', 'seal_key'])
          .where('fingerprint', '=', key.fingerprint)
          .executeTakeFirst()
        if (known === undefined) return await admit(trx, key, request, voucher)
        if (known.state === 'revoked') fail('CERTIFICATE_REVOKED', `${known.id} was revoked.`)
        if (known.seal_key !== request.sealKey)
          fail('CONFLICT', `${known.id} enrolled with another seal key; make a new device key to enrol anew.`) // 4.
        await remember(trx, known.id, voucher)
        if (known.state === 'pending' && isAutomatic(voucher)) {
          await trx.updateTable('devices').set({ state: 'approved' }).where('id', '=', known.id).execute()
          return { id: known.id, state: 'approved' }
        }
        if (known.state === 'pending' && request.token !== undefined) {
          await useToken(trx, request.token, known.id)
          await trx.updateTable('devices').set({ state: 'approved' }).where('id', '=', known.id).execute()
          return { id: known.id, state: 'approved' }
        }
        return { id: known.id, state: known.state } // 1.
      })
    } catch (error) {
      if (isUniqueViolation(error)) return undefined
      throw error
    }
  }

  async function admit(
    trx: Transaction<Database>,
    key: CertificateRequest,
    request: EnrolmentRequest,
    voucher: Voucher,
  ) {
    const id = newId('dev', DeviceId)
    const isLetIn = request.token !== undefined || isAutomatic(voucher)
    const state = isLetIn ? 'approved' : 'pending'
    if (state === 'pending') {
      const { count } = await trx
        .selectFrom('devices')
        .select((eb) => eb.fn.countAll<number>().as('count'))
        .where('state', '=', 'pending')
        .executeTakeFirstOrThrow()
      if (count >= MAX_PENDING) fail('BUSY', `${count} devices wait for approval already.`, { retryAfterMs: 3600_000 })
    }
    await trx
      .insertInto('devices')
      .values({
        id,
        state,
        fingerprint: key.fingerprint,
        seal_key: request.sealKey,
        facts: JSON.stringify(request.facts),
        agent: JSON.stringify(request.agent),
        enrolled_at: clock.now(),
        last_seen_at: null,
        last_gateway_id: null,
      })
      .execute()
    await remember(trx, id, voucher)
    if (request.token !== undefined) await useToken(trx, request.token, id)
    return { id, state } as const
  }

  async function remember(trx: Transaction<Database>, id: DeviceId, { registered, signedIn }: Voucher): Promise<void> {
    if (registered !== undefined) await organisation.remember(trx, id, registered)
    if (signedIn === undefined) return
    const document = JSON.stringify(signedIn.user)
    await trx
      .insertInto('device_users')
      .values({ device_id: id, document })
      .onConflict((conflict) => conflict.column('device_id').doUpdateSet({ document }))
      .execute()
  }

  async function useToken(trx: Transaction<Database>, token: string, deviceId: DeviceId): Promise<void> {
    const tokenId = await consumeEnrolmentToken(trx, token, clock.now()) // 2.
    if (tokenId === undefined) fail('ENROLMENT_TOKEN_REFUSED', 'This token lets nobody in.')
    await trx
      .insertInto('token_uses')
      .values({ token_id: tokenId, device_id: deviceId, used_at: clock.now() })
      .execute()
  }

  async function certify(key: CertificateRequest, deviceId: DeviceId): Promise<string> {
    const issued = await identity.issueDeviceCertificate(key, deviceId)
    await db.transaction().execute(async (trx) => {
      // Changes nothing, but waits for a revocation on the way: no certificate may slip past it.
      const approved = await trx
        .updateTable('devices')
        .set((eb) => ({ state: eb.ref('state') }))
        .where('id', '=', deviceId)
        .where('state', '=', 'approved')
        .returning('id')
        .executeTakeFirst()
      if (approved === undefined) fail('CERTIFICATE_REVOKED', `${deviceId} was revoked.`)
      await trx
        .insertInto('device_certificates')
        .values({
          hash: issued.hash,
          device_id: deviceId,
          serial: issued.serial,
          issued_at: issued.issuedAt,
          expires_at: issued.expiresAt,
          revoked_at: null,
        })
        .execute()
    })
    return issued.pem
  }

  return {
    async enrol({ body, caller }) {
      const key = await readCertificateRequest(body.csr)
      if (!key.ok) throw new ProblemError(key.problem)
      const registered = body.organisation && (await organisation.check(body.organisation, body.csr)) // 6.
      if (registered?.ok === false) throw new ProblemError(registered.problem)
      const signedIn = body.signIn === undefined ? undefined : await signIns.ask(body.signIn, key.value.fingerprint) // 7.
      if (signedIn?.state === 'signingIn') return { kind: 'json', body: signedIn satisfies EnrolmentAnswer }
      const voucher = { registered: registered?.value, signedIn }
      let decision = await decide(key.value, body, voucher).catch((error) => {
        // The token may have gone to this very device a moment ago, by another connection.
        if (error instanceof ProblemError && error.problem.code === 'ENROLMENT_TOKEN_REFUSED') return undefined
        throw error
      })
      decision ??= await decide(key.value, body, voucher)
      if (decision === undefined)
        fail('BUSY', 'The device is being enrolled by another request.', { retryAfterMs: 1_000 })
      const { id, state } = decision
      log.info('enrolment', { deviceId: id, state, remoteAddress: caller.remoteAddress })
      const answer: EnrolmentAnswer =
        state === 'pending'
          ? { state, deviceId: id, fingerprint: key.value.fingerprint, retryAfterMs: PENDING_RETRY_MS } // 5.
          : { state, deviceId: id, certificate: await certify(key.value, id), trust: await trust() }
      return { kind: 'json', body: answer }
    },

    async signIn({ body, caller }) {
      const key = await readCertificateRequest(body.csr)
      if (!key.ok) throw new ProblemError(key.problem)
      return { kind: 'json', body: await signIns.begin(key.value.fingerprint, caller.remoteAddress) }
    },

    async renew({ body, caller }) {
      const device = await requireDevice(caller, 'validOrExpired')
      const key = await readCertificateRequest(body.csr)
      if (!key.ok) throw new ProblemError(key.problem)
      if (key.value.fingerprint !== device.fingerprint)
        fail('CONFLICT', `A renewal is for the key with which ${device.id} enrolled.`) // 3.
      await organisation.requireGood(device.id) // 6.
      const answer: RenewalAnswer = { certificate: await certify(key.value, device.id) }
      log.info('certificate renewed', { deviceId: device.id })
      return { kind: 'json', body: answer }
    },
  }
}

const isAutomatic = ({ registered, signedIn }: Voucher): boolean =>
  registered?.registration === 'automatic' || signedIn?.registration === 'automatic'
