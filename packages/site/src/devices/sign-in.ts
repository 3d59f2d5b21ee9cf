/**
 * A device's user signs in at the organisation's OpenID provider to let the device in: device
 * authorization grant (RFC 8628), run by the site, so that devices and gateways never see what the
 * provider hands out.
 *
 * Owns the sign-ins that go on and what came of each. Does not own who becomes a device (`enrolment.ts`).
 *
 *   S1. A sign-in belongs to the device key that began it; its handle is worth nothing with another key.
 *   S2. Anybody may begin one, so they are few, each ends, and whoever begins one learns where to sign in and
 *       nothing else: what the provider says of a person or of itself stays here.
 *   S3. The provider is asked as slowly as it wants, by one request of all that come at once.
 *   S4. What the provider says once is written down before it is answered: a lost answer costs nothing.
 *   S5. A person counts by a verified address or a group that the settings name now, when the device is let in.
 */
import { createHash } from 'node:crypto'
import { DeviceUser, type EnrolmentSignIn, fail, ProblemError, type Sha256, type SignInAnswer } from '@sluice/protocol'
import type { Kysely } from 'kysely'
import * as oidc from 'openid-client'
import { z } from 'zod'
import { type Clock, timestamp } from '../clock.ts'
import type { Database } from '../db/database.ts'
import { newToken, tokenHash } from '../identity/new-id.ts'
import { discoverProvider } from '../identity/open-id-provider.ts'
import type { Log } from '../log.ts'
import type { Vault } from '../secrets/vault.ts'
import type { SignInSettings } from './sign-in-settings.ts'

/** S2 */
const MAX_SIGN_INS = 1_000
const MAX_OF_ADDRESS = 20
const MAX_LIFE_MS = 30 * 60_000
const MIN_INTERVAL_MS = 1_000
const DEFAULT_INTERVAL_MS = 5_000
/** For the provider's first word, and somewhat more: a place that is kept for longer is nobody's any more. */
const BEGIN_MS = 60_000
/** RFC 8628 §3.5, `slow_down`. */
const SLOWER_MS = 5_000
const PROVIDER_LIFE_MS = 10 * 60_000
const DEVICE_CODE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

export type SignedIn =
  | { state: 'signingIn'; retryAfterMs: number }
  | { state: 'signedIn'; user: DeviceUser; registration: 'pending' | 'automatic' }

export interface SignIns {
  /** @throws ProblemError `DEVICE_SIGN_IN_REFUSED`, `BUSY` */
  begin(fingerprint: Sha256, address: string): Promise<SignInAnswer>
  /** @throws ProblemError `DEVICE_SIGN_IN_REFUSED`, `BUSY` */
  ask(handle: string, fingerprint: Sha256): Promise<SignedIn>
}

export function createSignIns(options: {
  db: Kysely<Database>
  vault: Vault
  settings: SignInSettings
  clock: Clock
  log: Log
}): SignIns {
  const { db, vault, settings, clock, log } = options
  let known: { of: string; until: number; provider: Promise<oidc.Configuration> } | undefined

  /** S2: nothing of the cause leaves the site. */
  function unavailable(error: unknown): never {
    if (error instanceof ProblemError) throw error
    log.warn('the OpenID provider of enrolment did not answer as it should', { error })
    return fail('BUSY', 'Nobody can sign in just now.', { retryAfterMs: 30_000 })
  }

  async function provider({ issuer = '', clientId = '' }: EnrolmentSignIn): Promise<oidc.Configuration> {
    const clientSecret = await settings.clientSecret()
    const of = JSON.stringify([issuer, clientId, clientSecret])
    if (known?.of !== of || known.until <= clock.now())
      known = {
        of,
        until: clock.now() + PROVIDER_LIFE_MS,
        provider: discoverProvider({ issuer, clientId, clientSecret }),
      }
    const { provider: asked } = known
    return await asked.catch((error: unknown) => {
      if (known?.provider === asked) known = undefined
      return unavailable(error)
    })
  }

  async function allowed() {
    const present = await settings.get()
    const { registration } = present
    if (registration === 'off') return refuse('This site lets no device in by a sign-in.')
    return { present, registration }
  }

  /** S2. Takes the place before the provider is asked, so that those who come at once are counted too. */
  async function takePlace(handle: string, fingerprint: Sha256, address: string, issuer: string): Promise<void> {
    const now = clock.now()
    await db.transaction().execute(async (trx) => {
      // Changes nothing, but whoever else begins one waits for this transaction.
      await trx
        .updateTable('enrolment_sign_in')
        .set((eb) => ({ document: eb.ref('document') }))
        .execute()
      // One for each key: who begins anew has given up the one before.
      await trx
        .deleteFrom('sign_ins')
        .where((eb) => eb.or([eb('expires_at', '<=', now), eb('fingerprint', '=', fingerprint)]))
        .execute()
      const { all, here } = await trx
        .selectFrom('sign_ins')
        .select((eb) => [
          eb.fn.countAll<number>().as('all'),
          eb.fn.sum<number | null>(eb.case().when('address', '=', address).then(1).else(0).end()).as('here'),
        ])
        .executeTakeFirstOrThrow()
      if (Number(all) >= MAX_SIGN_INS || Number(here ?? 0) >= MAX_OF_ADDRESS)
        fail('BUSY', 'Too many sign-ins go on.', { retryAfterMs: 60_000 })
      await trx
        .insertInto('sign_ins')
        .values({
          ...{ handle_hash: tokenHash(handle), fingerprint, address, issuer, device_code: '' },
          ...{ interval_ms: 0, ask_at: now, expires_at: now + BEGIN_MS, person: null, refusal: null },
        })
        .execute()
    })
  }

  /** @returns undefined while the person has not finished, and how much slower the provider wants to be asked */
  async function askProvider(
    present: EnrolmentSignIn,
    deviceCode: string,
  ): Promise<{ user: DeviceUser } | { refusal: string } | { slower: number }> {
    const at = await provider(present)
    try {
      const tokens = await oidc.genericGrantRequest(at, DEVICE_CODE_GRANT, { device_code: deviceCode })
      const ofToken = tokens.claims()
      if (ofToken === undefined) return { refusal: 'The provider named nobody.' }
      // Some providers tell mail and groups by their userinfo only (OpenID Connect Core 5.4).
      const more =
        at.serverMetadata().userinfo_endpoint === undefined
          ? {}
          : await oidc.fetchUserInfo(at, tokens.access_token, ofToken.sub)
      return judge(present, { ...more, ...ofToken }, clock.now())
    } catch (error) {
      if (!(error instanceof oidc.ResponseBodyError)) return unavailable(error)
      switch (error.error) {
        case 'authorization_pending':
          return { slower: 0 }
        case 'slow_down':
          return { slower: SLOWER_MS }
        case 'access_denied':
          return { refusal: 'The person at the provider said no.' }
        // What is over may be forgotten too.
        case 'expired_token':
        case 'invalid_grant':
          return { refusal: 'Nobody signed in in time.' }
        default:
          log.warn('the OpenID provider refused a sign-in', { error: error.error })
          return { refusal: 'The provider refused.' }
      }
    }
  }

  async function beginAt(present: EnrolmentSignIn, handle: string): Promise<SignInAnswer> {
    const at = await provider(present)
    const begun = await oidc
      .initiateDeviceAuthorization(at, { scope: [...new Set(['openid', ...present.scopes])].join(' ') })
      .catch(unavailable)
    const now = clock.now()
    const lifeMs = Math.min(begun.expires_in * 1000, MAX_LIFE_MS)
    const intervalMs = Math.max((begun.interval ?? 0) * 1000 || DEFAULT_INTERVAL_MS, MIN_INTERVAL_MS)
    const hash = tokenHash(handle)
    const { numUpdatedRows } = await db
      .updateTable('sign_ins')
      .set({
        device_code: vault.seal(`sign-in/${hash}`, begun.device_code),
        ...{ interval_ms: intervalMs, ask_at: now + intervalMs, expires_at: now + lifeMs },
      })
      .where('handle_hash', '=', hash)
      .executeTakeFirst()
    if (numUpdatedRows === 0n) fail('BUSY', 'Another sign-in of this key has begun.', { retryAfterMs: 1_000 })
    return {
      handle,
      verificationUri: begun.verification_uri,
      userCode: begun.user_code,
      ...(begun.verification_uri_complete === undefined
        ? {}
        : { verificationUriComplete: begun.verification_uri_complete }),
      expiresInMs: lifeMs,
      retryAfterMs: intervalMs,
    }
  }

  return {
    async begin(fingerprint, address) {
      const { present } = await allowed()
      const handle = newToken()
      await takePlace(handle, fingerprint, address, present.issuer ?? '')
      try {
        return await beginAt(present, handle)
      } catch (error) {
        await db.deleteFrom('sign_ins').where('handle_hash', '=', tokenHash(handle)).execute()
        throw error
      }
    },

    async ask(handle, fingerprint) {
      const { present, registration } = await allowed()
      const hash = tokenHash(handle)
      const now = clock.now()
      const mine = () =>
        db
          .selectFrom('sign_ins')
          .selectAll()
          .where('handle_hash', '=', hash)
          .where('fingerprint', '=', fingerprint) // S1
          .where('expires_at', '>', now)
          .executeTakeFirst()
      const settled = (row: { person: string | null; refusal: string | null }): SignedIn | undefined => {
        if (row.refusal !== null) return refuse(row.refusal)
        if (row.person === null) return undefined
        const judged = Judged.safeParse(JSON.parse(row.person))
        if (judged.data?.by !== rulesOf(present))
          return refuse('What lets devices in here is not what it was when somebody signed in.') // S5
        return { state: 'signedIn', user: judged.data.user, registration }
      }
      const row = await mine()
      if (row === undefined || row.issuer !== present.issuer)
        return refuse('It is unknown, of another device key, or over.')
      const known = settled(row)
      if (known !== undefined) return known
      // S3
      const turn = await db
        .updateTable('sign_ins')
        .set({ ask_at: now + row.interval_ms })
        .where('handle_hash', '=', hash)
        .where('ask_at', '<=', now)
        .executeTakeFirst()
      if (turn.numUpdatedRows === 0n)
        return { state: 'signingIn', retryAfterMs: Math.max(row.ask_at - now, MIN_INTERVAL_MS) }
      const said = await askProvider(present, vault.open(`sign-in/${hash}`, row.device_code))
      if ('slower' in said) {
        const intervalMs = row.interval_ms + said.slower
        if (said.slower > 0)
          await db
            .updateTable('sign_ins')
            .set({ interval_ms: intervalMs, ask_at: now + intervalMs })
            .where('handle_hash', '=', hash)
            .execute()
        return { state: 'signingIn', retryAfterMs: intervalMs }
      }
      // S4
      const columns =
        'user' in said
          ? { person: JSON.stringify({ by: rulesOf(present), user: said.user }), refusal: null }
          : { person: null, refusal: said.refusal }
      await db.updateTable('sign_ins').set(columns).where('handle_hash', '=', hash).execute()
      return settled(columns) ?? refuse('It came to nothing.')
    },
  }
}

const refuse = (why: string): never => fail('DEVICE_SIGN_IN_REFUSED', why)

/** Who signed in, and by which rules he counted. */
const Judged = z.object({ by: z.string(), user: DeviceUser })
const rulesOf = ({ domains, groups, groupsClaim }: EnrolmentSignIn): string =>
  createHash('sha256')
    .update(JSON.stringify([domains, groups, groupsClaim]))
    .digest('hex')

const Claims = z.object({
  iss: z.string().max(2000),
  sub: z.string().min(1).max(255),
  name: z.string().optional().catch(undefined),
  email: z.string().max(255).optional().catch(undefined),
  email_verified: z.boolean().optional().catch(undefined),
})

/** S5. An address that the provider has not verified is anybody's claim. */
function judge(
  { domains, groups, groupsClaim }: EnrolmentSignIn,
  claims: Record<string, unknown>,
  now: number,
): { user: DeviceUser } | { refusal: string } {
  const read = Claims.safeParse(claims)
  if (!read.success) return { refusal: 'The provider named nobody.' }
  const { iss, sub, name, email, email_verified: verified } = read.data
  const domain = verified === true ? email?.toLowerCase().split('@').at(-1) : undefined
  const inDomain = domains.length === 0 || domains.includes('*') || (domain !== undefined && domains.includes(domain))
  if (!inDomain) return { refusal: 'The address of who signed in is not one that lets devices in here.' }
  const listed = z.array(z.string()).catch([]).parse(claims[groupsClaim])
  const inGroup = groups.length === 0 || listed.some((one) => groups.includes(one))
  if (!inGroup) return { refusal: 'Who signed in is in no group that lets devices in here.' }
  const user: DeviceUser = {
    ...{ issuer: iss, subject: sub },
    ...(name === undefined ? {} : { name: name.slice(0, 255) }),
    ...(email === undefined || verified !== true ? {} : { email }),
    at: timestamp(now),
  }
  return { user }
}
