/**
 * Whether a device may be answered at all. A gateway admits devices at its door with what it was
 * told; the site looks again, in its own tables, before each answer: a gateway may be late, or
 * somebody else's.
 */
import { type Caller, type DeviceId, fail, type GatewayId, type Sha256 } from '@sluice/protocol'
import type { Clock } from '../clock.ts'
import type { Db } from '../db/database.ts'

/** An expired certificate still reaches `renew` for this long (design §5). */
export const RENEWAL_GRACE_MS = 90 * 24 * 3600_000

export interface AdmittedDevice {
  id: DeviceId
  /** SHA-256 of the certificate it came with. */
  certificate: Sha256
  /** SHA-256 of its public key. */
  fingerprint: Sha256
  /** X25519, standard base64: what only this device may read is sealed to it. */
  sealKey: string
  /** What the site remembers of it, where that was read. */
  remembered?: RememberedDevice
}

export interface RememberedDevice {
  /** Milliseconds since 1970; null: never. */
  lastSeenAt: number | null
  lastGatewayId: GatewayId | null
  /** `DeviceFacts` and `AgentInfo` as JSON. */
  facts: string
  agent: string
  hardware: string | null
  agents: string | null
}

/** `renew` alone may be called with a certificate that expired. */
export type Admission = 'valid' | 'validOrExpired'

/** @throws ProblemError that says why the device is not answered */
export type RequireDevice = (caller: Caller, admission?: Admission) => Promise<AdmittedDevice>

export function createAdmission({ db, clock }: { db: Db; clock: Clock }): RequireDevice {
  return async (caller, admission = 'valid') => {
    const certificate = certificateOf(caller)
    const found = await deviceByCertificate(db).where('certificate.hash', '=', certificate).executeTakeFirst()
    return admitDevice(caller, found, clock.now(), admission)
  }
}

/** @throws ProblemError for a caller that is no device */
export const certificateOf = (caller: Caller): Sha256 =>
  caller.identity === 'device' ? caller.certificate : notADevice()

function notADevice(): never {
  fail('NOT_AUTHENTICATED', 'This needs the certificate of a device.')
}

/** What `admitDevice` judges. */
export const deviceByCertificate = (db: Db) =>
  db
    .selectFrom('device_certificates as certificate')
    .innerJoin('devices as device', 'device.id', 'certificate.device_id')
    .select(['device.id', 'device.state', 'device.fingerprint', 'device.seal_key'])
    .select(['certificate.expires_at', 'certificate.revoked_at'])
    .select(['device.last_seen_at', 'device.last_gateway_id', 'device.facts', 'device.agent'])
    .select(['device.hardware', 'device.agents', 'device.blocked_at'])

export type FoundDevice = Awaited<ReturnType<ReturnType<typeof deviceByCertificate>['executeTakeFirstOrThrow']>>

/**
 * @param found by the certificate of the caller, just now
 * @param now milliseconds since 1970
 * @throws ProblemError that says why the device is not answered
 */
export function admitDevice(
  caller: Caller,
  found: FoundDevice | undefined,
  now: number,
  admission: Admission = 'valid',
): AdmittedDevice {
  if (caller.identity !== 'device') notADevice()
  if (found === undefined || found.id !== caller.deviceId)
    fail('DEVICE_UNKNOWN', `No device ${caller.deviceId} with this certificate.`)
  if (found.state === 'revoked' || found.revoked_at !== null)
    fail('CERTIFICATE_REVOKED', `The certificate of ${found.id} was revoked.`)
  if (found.state === 'pending') fail('DEVICE_PENDING', `${found.id} waits for approval.`)
  if (found.blocked_at !== null) fail('DEVICE_BLOCKED', `Two computers use the identity of ${found.id}.`)
  const renewable = admission === 'validOrExpired' && now < found.expires_at + RENEWAL_GRACE_MS
  if ((caller.expired || now >= found.expires_at) && !renewable)
    fail(
      'CERTIFICATE_EXPIRED',
      `The certificate of ${found.id} expired at ${new Date(found.expires_at).toISOString()}.`,
    )
  return {
    id: found.id,
    certificate: caller.certificate,
    fingerprint: found.fingerprint,
    sealKey: found.seal_key,
    remembered: {
      lastSeenAt: found.last_seen_at,
      lastGatewayId: found.last_gateway_id,
      facts: found.facts,
      agent: found.agent,
      hardware: found.hardware,
      agents: found.agents,
    },
  }
}
