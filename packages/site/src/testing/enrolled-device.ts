/** A device as rows of the database, for tests of areas that need one but not its enrolment. */
import { randomBytes } from 'node:crypto'
import { type Caller, type DeviceFacts, DeviceId, Sha256 } from '@sluice/protocol'
import type { Db } from '../db/database.ts'
import { newId } from '../identity/new-id.ts'

export const someFacts: DeviceFacts = {
  hostname: 'laptop-7',
  platform: 'linux',
  architecture: 'x64',
  manufacturer: 'Contoso',
  model: 'Model 7',
  serialNumber: '0001',
  os: { id: 'minios', name: 'MiniOS 1', version: '1' },
  memoryBytes: 4 * 2 ** 30,
  processorMHz: 2000,
}

export const someAgent = { version: '0.1.0', capabilities: ['frames/1'] }

const randomSha256 = (): Sha256 => Sha256.parse(randomBytes(32).toString('hex'))

/** An approved device with one certificate that is valid for 30 days from `now` (milliseconds since 1970). */
export async function insertDevice(
  db: Db,
  now: number,
): Promise<{ id: DeviceId; caller: Caller & { identity: 'device' } }> {
  const id = newId('dev', DeviceId)
  const certificate = randomSha256()
  await db
    .insertInto('devices')
    .values({
      id,
      state: 'approved',
      fingerprint: randomSha256(),
      seal_key: randomBytes(32).toString('base64'),
      facts: JSON.stringify(someFacts),
      agent: JSON.stringify(someAgent),
      enrolled_at: now,
      last_seen_at: null,
      last_gateway_id: null,
    })
    .execute()
  await db
    .insertInto('device_certificates')
    .values({
      hash: certificate,
      device_id: id,
      serial: randomBytes(16).toString('hex'),
      issued_at: now,
      expires_at: now + 30 * 24 * 3600_000,
      revoked_at: null,
    })
    .execute()
  return { id, caller: { identity: 'device', deviceId: id, certificate, expired: false, remoteAddress: '192.0.2.1' } }
}
