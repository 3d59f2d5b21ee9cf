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
 * 8. Who has proof is let in. Hardware that is known as an approved device opens a conflict beside that, or takes
 *    the record over, as the rule says (C1 of `conflicts.ts`).
 * 9. Anybody can ask to be let in: where too many wait, the one that came first from the busiest address makes room.
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
import { deviceWith, hardwareOf, rekey, ruleNow } from './conflicts.ts'
import { consumeEnrolmentToken } from './enrolment-token.ts'
import type { SignedIn, SignIns } from './sign-in.ts'

/** How soon a pending device asks again. */
const PENDING_RETRY_MS = 10_000
/** Beyond this many nobody is reading the list anyway (9). */
const MAX_PENDING = 10_000

interface Decision {
  id: DeviceId
  state: 'pending' | 'approved'
  /** It took over the record that was there. */
  merged?: true
}

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
  /** The certificates that gateways must refuse have changed. */
  onCertificates(): void
  /** What an approved device trusts from now on. */
  trust(): Promise<SiteTrust>
  maxPending?: number
}

export function createEnrolment(options: EnrolmentOptions): Pick<DeviceHandlers, 'enrol' | 'signIn' | 'renew'> {
  const {
    db,
    identity,
    clock,
    log,
    requireDevice,
    organisation,
    signIns,
    onCertificates,
    trust,
    maxPending = MAX_PENDING,
  } = options

  /** @returns undefined when somebody else was faster with the same key or token: look again */
  async function decide(
    key: CertificateRequest,
    request: EnrolmentRequest,
    voucher: Voucher,
    address: string,
  ): Promise<Decision | undefined> {
    try {
      return await db.transaction().execute(async (trx) => {
        const known = await trx
          .selectFrom('devices')
          .select(['id', 'state', 'seal_key'])
          .where('fingerprint', '=', key.fingerprint)
          .executeTakeFirst()
        if (known === undefined) return await admit(trx, key, request, voucher, address)
        if (known.state === 'revoked') fail('CERTIFICATE_REVOKED', `${known.id} was revoked.`)
        if (known.seal_key !== request.sealKey)
          fail('KEY_OF_ANOTHER_DEVICE', 'The device with this key enrolled with another seal key.') // 4.
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
    address: string,
  ): Promise<Decision> {
    const retired = await trx
      .selectFrom('retired_keys')
      .select('device_id')
      .where('fingerprint', '=', key.fingerprint)
      .executeTakeFirst()
    if (retired !== undefined) fail('CERTIFICATE_REVOKED', `${retired.device_id} has another key by now.`)
    const isLetIn = request.token !== undefined || isAutomatic(voucher)
    // 8.
    const hardware = hardwareOf(request.facts)
    const rule = await ruleNow(trx)
    const twin = hardware === undefined || rule === 'new' ? undefined : await deviceWith(trx, hardware)
    const facts = JSON.stringify(request.facts)
    const agent = JSON.stringify(request.agent)
    const { fingerprint } = key
    if (twin?.sure === true && isLetIn && rule === 'merge') {
      await rekey(trx, twin.id, { fingerprint, seal_key: request.sealKey, facts, agent }, clock.now())
      await remember(trx, twin.id, voucher)
      if (request.token !== undefined) await useToken(trx, request.token, twin.id)
      return { id: twin.id, state: 'approved', merged: true }
    }
    const id = newId('dev', DeviceId)
    const state = isLetIn ? 'approved' : 'pending'
    if (state === 'pending') await makeRoom(trx)
    await trx
      .insertInto('devices')
      .values({
        id,
        state,
        fingerprint,
        seal_key: request.sealKey,
        facts,
        agent,
        hardware: hardware ?? null,
        enrolled_from: address,
        enrolled_at: clock.now(),
        last_seen_at: null,
        last_gateway_id: null,
      })
      .execute()
    if (twin !== undefined)
      await trx
        .insertInto('device_conflicts')
        .values({
          ...{ device_id: id, kind: 'reenrolled', other_id: twin.id, since: clock.now() },
          detail: isLetIn
            ? 'It enrolled anew, with good proof, from the hardware of another device.'
            : 'Without any proof it says that it has the hardware of another device.',
        })
        .execute()
    await remember(trx, id, voucher)
    if (request.token !== undefined) await useToken(trx, request.token, id)
    return { id, state }
  }

  /** 9. */
  async function makeRoom(trx: Transaction<Database>): Promise<void> {
    const { count } = await trx
      .selectFrom('devices')
      .select((eb) => eb.fn.countAll<number>().as('count'))
      .where('state', '=', 'pending')
      .executeTakeFirstOrThrow()
    if (count < maxPending) return
    const busiest = await trx
      .selectFrom('devices')
      .select('enrolled_from')
      .where('state', '=', 'pending')
      .groupBy('enrolled_from')
      .orderBy((eb) => eb.fn.countAll(), 'desc')
      .orderBy((eb) => eb.fn.min('enrolled_at'))
      .executeTakeFirstOrThrow()
    const oldest = await trx
      .selectFrom('devices')
      .select('id')
      .where('state', '=', 'pending')
      .where('enrolled_from', busiest.enrolled_from === null ? 'is' : '=', busiest.enrolled_from)
      .orderBy('enrolled_at')
      .orderBy('id')
      .executeTakeFirstOrThrow()
    await trx.deleteFrom('devices').where('id', '=', oldest.id).where('state', '=', 'pending').execute()
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
      const { remoteAddress } = caller
      let decision = await decide(key.value, body, voucher, remoteAddress).catch((error) => {
        // The token may have gone to this very device a moment ago, by another connection.
        if (error instanceof ProblemError && error.problem.code === 'ENROLMENT_TOKEN_REFUSED') return undefined
        throw error
      })
      decision ??= await decide(key.value, body, voucher, remoteAddress)
      if (decision === undefined)
        fail('BUSY', 'The device is being enrolled by another request.', { retryAfterMs: 1_000 })
      const { id, state, merged = false } = decision
      if (merged) onCertificates()
      log.info('enrolment', { deviceId: id, state, merged, remoteAddress })
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
        fail('KEY_OF_ANOTHER_DEVICE', `A renewal is for the key with which ${device.id} enrolled.`) // 3.
      await organisation.requireGood(device.id) // 6.
      const answer: RenewalAnswer = { certificate: await certify(key.value, device.id) }
      log.info('certificate renewed', { deviceId: device.id })
      return { kind: 'json', body: answer }
    },
  }
}

const isAutomatic = ({ registered, signedIn }: Voucher): boolean =>
  registered?.registration === 'automatic' || signedIn?.registration === 'automatic'
