/** Codes of an authenticator app (RFC 6238), each good once, and codes for the day the app is lost. */
import { randomBytes } from 'node:crypto'
import type { AdministratorId, Sha256 } from '@sluice/protocol'
import type { Transaction } from 'kysely'
import { Secret, TOTP } from 'otpauth'
import type { Database } from '../../db/database.ts'
import { tokenHash } from '../../identity/new-id.ts'

const PERIOD_S = 30
/** Clocks differ: one step before and one after count too. */
const WINDOW = 1
const SECRET_BYTES = 20
const RECOVERY_CODES = 10
/** 80 bits: long enough that the plain SHA-256 can be kept. */
const RECOVERY_BYTES = 10

/** What the vault seals a secret for. */
export const totpPurpose = (id: AdministratorId): string => `totp/${id}`

export const newTotpSecret = (): string => new Secret({ size: SECRET_BYTES }).base32

/** For the app to scan or to click. @param issuer name of the site */
export const totpUri = (secret: string, issuer: string, name: string): string => totp(secret, issuer, name).toString()

/** The step whose code this is; undefined: of none near `now`. */
export function totpStep(secret: string, code: string, now: number): number | undefined {
  const delta = totp(secret).validate({ token: code, timestamp: now, window: WINDOW })
  return delta === null ? undefined : Math.floor(now / 1000 / PERIOD_S) + delta
}

const totp = (secret: string, issuer = 'Sluice', label = '') =>
  new TOTP({ issuer, label, secret: Secret.fromBase32(secret), period: PERIOD_S, digits: 6, algorithm: 'SHA1' })

/**
 * Takes a code: of the app, or a recovery code. One statement decides, so that of two who come with the
 * same code one gets in.
 */
export async function takeCode(
  trx: Transaction<Database>,
  id: AdministratorId,
  secret: string,
  code: string,
  now: number,
): Promise<boolean> {
  const step = /^\d{6}$/.test(code) ? totpStep(secret, code, now) : undefined
  if (step !== undefined) {
    const { numUpdatedRows } = await trx
      .updateTable('administrators')
      .set({ totp_last_step: step })
      .where('id', '=', id)
      .where((eb) => eb.or([eb('totp_last_step', 'is', null), eb('totp_last_step', '<', step)]))
      .executeTakeFirst()
    return numUpdatedRows === 1n
  }
  const { numDeletedRows } = await trx
    .deleteFrom('admin_recovery_codes')
    .where('administrator_id', '=', id)
    .where('code_hash', '=', recoveryHash(code))
    .executeTakeFirst()
  return numDeletedRows === 1n
}

/** Replaces all recovery codes. */
export async function newRecoveryCodes(trx: Transaction<Database>, id: AdministratorId): Promise<string[]> {
  const codes = Array.from({ length: RECOVERY_CODES }, () =>
    (randomBytes(RECOVERY_BYTES).toString('hex').match(/.{5}/g) ?? []).join('-'),
  )
  await trx.deleteFrom('admin_recovery_codes').where('administrator_id', '=', id).execute()
  await trx
    .insertInto('admin_recovery_codes')
    .values(codes.map((code) => ({ code_hash: recoveryHash(code), administrator_id: id })))
    .execute()
  return codes
}

/** However it is typed. */
const recoveryHash = (code: string): Sha256 => tokenHash(code.toLowerCase().replaceAll(/[\s-]/g, ''))
