/** The devices as the administrator sees them, and what the site remembers of each. */
import {
  AgentInfo,
  DeviceFacts,
  type DeviceId,
  type DeviceInfo,
  type DeviceTokenEntry,
  type DeviceTokenInfo,
  DeviceUser,
  type EnrolmentBundle,
  fail,
  type GatewayAddress,
  type Page,
  type PageQuery,
  type Sha256,
  type TokenId,
  USUAL_PAGE,
} from '@sluice/protocol'
import type { Kysely, Selectable } from 'kysely'
import { type Clock, timestamp } from '../clock.ts'
import type { Database, Db } from '../db/database.ts'
import type { DevicesTables } from '../db/schema/devices.ts'
import type { SiteIdentity } from '../identity/site-identity.ts'
import type { Log } from '../log.ts'
import type { RememberedDevice } from './admission.ts'
import { type Conflicts, hasOpenConflict } from './conflicts.ts'
import { type ListedDevices, pageOfDevices } from './device-list.ts'
import { blockEnrolmentToken, createEnrolmentToken, listEnrolmentTokens } from './enrolment-token.ts'
import { createLastSeen, type SeenDevice } from './last-seen.ts'

export interface DevicesOptions {
  db: Kysely<Database>
  identity: SiteIdentity
  clock: Clock
  log: Log
  /** Where devices may enrol, best first. */
  gateways(): Promise<GatewayAddress[]>
  /** SHA-256 of the catalogue's first root.json. */
  catalogueRootHash(): Promise<Sha256>
  /** Told of certificates that no gateway may admit any longer, after they are revoked. */
  onRevoked(certificates: Sha256[]): void
  conflicts?: Pick<Conflicts, 'look'>
}

export interface Devices {
  /** A page of those that the query asks for; without one, the first of all. */
  list(query?: Partial<ListedDevices>): Promise<Page<DeviceInfo>>
  get(id: DeviceId): Promise<DeviceInfo>
  /** Lets a pending device in whose public key the administrator compared. `CONFLICT` */
  approve(id: DeviceId, fingerprint: Sha256): Promise<DeviceInfo>
  /** For good: the same key never gets in again. */
  revoke(id: DeviceId): Promise<DeviceInfo>
  /** Forgets a device that waits for approval. `CONFLICT` for one that was ever let in: it stays on record. */
  delete(id: DeviceId): Promise<void>
  /** Newest first. */
  tokens(query?: Partial<PageQuery>): Promise<Page<DeviceTokenEntry>>
  /** For good. `NOT_FOUND` */
  blockToken(id: TokenId): Promise<DeviceTokenEntry>
  /** Without a token: whoever enrols with it waits for approval. `CONFLICT` while there is no gateway. */
  bundle(): Promise<EnrolmentBundle>
  createToken(request: { uses: number; lifeMs?: number | undefined }): Promise<DeviceTokenInfo>
  /** Certificates that are revoked, or of devices that are blocked, and would otherwise be valid: what a gateway must know. */
  revokedCertificates(): Promise<Sha256[]>
  /** What a policy poll says about the device. @param remembered as it was just read; @throws ProblemError `DEVICE_BLOCKED` */
  saw(id: DeviceId, seen: SeenDevice, remembered?: RememberedDevice | undefined): Promise<void>
  /** Resolves when everything that was seen is written down. */
  settle(): Promise<void>
}

export function createDevices(options: DevicesOptions): Devices {
  const { db, identity, clock, log, gateways, catalogueRootHash, onRevoked, conflicts } = options

  const seen = createLastSeen({ db, clock, log })
  const everyDevice = () =>
    db
      .selectFrom('devices')
      .leftJoin('device_users', 'device_users.device_id', 'devices.id')
      .selectAll('devices')
      .select('device_users.document as user')

  async function get(id: DeviceId): Promise<DeviceInfo> {
    await seen.settle()
    const row = await everyDevice().where('devices.id', '=', id).executeTakeFirst()
    return row === undefined ? fail('NOT_FOUND', `There is no device ${id}.`) : deviceInfo(row)
  }

  async function bundle(): Promise<EnrolmentBundle> {
    const addresses = await gateways()
    if (addresses.length === 0)
      fail('CONFLICT', 'There is no gateway at which a device could enrol. Add one first: `sluice gateways add`.')
    return {
      format: 'sluice-enrolment/1',
      siteId: identity.siteId,
      gateways: addresses,
      gatewayAuthority: identity.gatewayAuthority,
      catalogueRootHash: await catalogueRootHash(),
    }
  }

  return {
    get,
    async list(query) {
      await seen.settle()
      const page = await pageOfDevices(db, { limit: USUAL_PAGE, total: false, ...query })
      if (page.items.length === 0) return { ...page, items: [] }
      const rows = await everyDevice()
        .where('devices.id', 'in', page.items)
        .orderBy('enrolled_at')
        .orderBy('devices.id')
        .execute()
      return { ...page, items: rows.map(deviceInfo) }
    },

    async approve(id, fingerprint) {
      const device = await get(id)
      if (device.fingerprint !== fingerprint)
        fail('CONFLICT', `${id} has another key than the one with fingerprint ${fingerprint}.`)
      if (await hasOpenConflict(db, id))
        fail(
          'CONFLICT',
          `${id} has the hardware of another device: \`sluice devices resolve ${id}\` says which is which.`,
        )
      const { numUpdatedRows } = await db
        .updateTable('devices')
        .set({ state: 'approved' })
        .where('id', '=', id)
        .where('state', '!=', 'revoked')
        .executeTakeFirst()
      if (numUpdatedRows === 0n) fail('CONFLICT', `${id} was revoked; it can only be enrolled anew, with a new key.`)
      log.info('device approved', { deviceId: id })
      return await get(id)
    },

    async revoke(id) {
      await get(id)
      const certificates = await db.transaction().execute(async (trx) => {
        await trx.updateTable('devices').set({ state: 'revoked', blocked_at: null }).where('id', '=', id).execute()
        await trx.deleteFrom('device_conflicts').where('device_id', '=', id).execute()
        await trx
          .updateTable('device_certificates')
          .set({ revoked_at: clock.now() })
          .where('device_id', '=', id)
          .where('revoked_at', 'is', null)
          .execute()
        return await stillDangerous(trx, clock.now()).where('device_id', '=', id).execute()
      })
      log.info('device revoked', { deviceId: id })
      if (certificates.length > 0) onRevoked(certificates.map((row) => row.hash))
      return await get(id)
    },

    async delete(id) {
      const { state } = await get(id)
      // Whoever approves it meanwhile was faster: then nothing is deleted.
      const { numDeletedRows } = await db
        .deleteFrom('devices')
        .where('id', '=', id)
        .where('state', '=', 'pending')
        .executeTakeFirst()
      if (numDeletedRows === 0n) fail('CONFLICT', `${id} is ${state}; only a pending device can be deleted.`)
      log.info('pending device deleted', { deviceId: id })
    },

    tokens: (query) => listEnrolmentTokens({ db, clock }, { limit: USUAL_PAGE, total: false, ...query }),
    async blockToken(id) {
      const entry = await blockEnrolmentToken({ db, clock }, id)
      log.info('enrolment token blocked', { tokenId: id, used: entry.used, uses: entry.uses })
      return entry
    },

    bundle,
    async createToken({ uses, lifeMs }) {
      // First, so that no token is made for nobody.
      const open = await bundle()
      const { id, token, expiresAt } = await createEnrolmentToken({ db, clock }, { uses, lifeMs })
      log.info('enrolment token made', { tokenId: id, uses })
      return { id, bundle: { ...open, token }, expiresAt: timestamp(expiresAt) }
    },

    async revokedCertificates() {
      const blocked = db.selectFrom('devices').select('id').where('blocked_at', 'is not', null)
      const shutOut = await db
        .selectFrom('device_certificates')
        .select('hash')
        .where('expires_at', '>', clock.now())
        .where((eb) => eb.or([eb('revoked_at', 'is not', null), eb('device_id', 'in', blocked)]))
        .execute()
      return shutOut.map((row) => row.hash)
    },

    async saw(id, one, remembered) {
      if (remembered !== undefined) await conflicts?.look(id, one, remembered)
      await seen.saw(id, one, remembered)
    },
    settle: seen.settle,
  }
}

const stillDangerous = (db: Db, now: number) =>
  db.selectFrom('device_certificates').select('hash').where('revoked_at', 'is not', null).where('expires_at', '>', now)

function deviceInfo(row: Selectable<DevicesTables['devices']> & { user: string | null }): DeviceInfo {
  return {
    id: row.id,
    state: row.state,
    facts: DeviceFacts.parse(JSON.parse(row.facts)),
    agent: AgentInfo.parse(JSON.parse(row.agent)),
    fingerprint: row.fingerprint,
    enrolledAt: timestamp(row.enrolled_at),
    ...(row.last_seen_at === null ? {} : { lastSeenAt: timestamp(row.last_seen_at) }),
    ...(row.last_gateway_id === null ? {} : { lastGatewayId: row.last_gateway_id }),
    ...(row.blocked_at === null ? {} : { blockedAt: timestamp(row.blocked_at) }),
    ...(row.user === null ? {} : { user: DeviceUser.parse(JSON.parse(row.user)) }),
  }
}
